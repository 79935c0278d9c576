// gs_arg_max: index of the largest element of each frame of a stream that goes by.
//
// Of equal elements the lowest index. Elements are compared as they travel, signed or unsigned, or
// the other way round where FALLS is 1. With TAKES (and LANES = 1) the first element is the index
// itself. A register behind every level of the tree over the lanes, so
// that the index comes LEVELS + 1 cycles behind the frame's last beat.

`default_nettype none

module gs_arg_max #(
    parameter int   LANES  = 1,    // elements in a beat
    parameter int   BEATS  = 10,   // beats in a frame
    parameter int   W      = 8,    // bits of an element
    parameter logic SIGNED = 1'b1,
    parameter logic FALLS  = 1'b0, // 1: the smallest element is sought
    parameter logic TAKES  = 1'b0  // 1: lane 0 of the first beat is an index already
) (
    input  wire logic               clk,
    input  wire logic               rst,      // synchronous, active high

    input  wire logic [LANES*W-1:0] tdata,
    input  wire logic               beat,     // tdata is transferred
    input  wire logic               last,     // and is the last of its frame

    output wire logic [30:0]        index,    // of the last whole frame
    output wire logic               valid     // there was one
);

    localparam int LEVELS = $clog2(LANES);
    localparam int L_W    = LANES > 1 ? LEVELS : 1;
    localparam int B_W    = BEATS > 1 ? $clog2(BEATS) : 1;

    // Keys are unsigned: the larger one wins.
    logic [LANES*W-1:0]   key;
    logic [LANES*L_W-1:0] lane;

    always_comb begin
        for (int l = 0; l < LANES; l++) begin
            key[l*W+:W]      = tdata[l*W+:W] ^ {W{FALLS}};
            key[l*W+W-1]     = tdata[l*W+W-1] ^ FALLS ^ SIGNED;
            lane[l*L_W+:L_W] = L_W'(l);
        end
    end

    logic [W-1:0]   last_key;   // of the whole beat
    logic [L_W-1:0] last_lane;
    logic           last_beat, last_last;

    generate
        for (genvar v = 0; v < LEVELS; v++) begin : g_level
            localparam int FROM = (LANES + (1 << v) - 1) >> v;  // contenders that are left
            localparam int TO   = (FROM + 1) / 2;

            wire logic [FROM*W-1:0]   from_key;
            wire logic [FROM*L_W-1:0] from_lane;
            wire logic                from_beat, from_last;
            logic      [TO*W-1:0]     key_q;
            logic      [TO*L_W-1:0]   lane_q;
            logic                     beat_q, last_q;

            if (v == 0) begin : g_from
                assign from_key  = key;
                assign from_lane = lane;
                assign from_beat = beat;
                assign from_last = last;
            end else begin : g_from
                assign from_key  = g_level[v-1].key_q;
                assign from_lane = g_level[v-1].lane_q;
                assign from_beat = g_level[v-1].beat_q;
                assign from_last = g_level[v-1].last_q;
            end

            always_ff @(posedge clk) begin
                beat_q <= from_beat && !rst;
                last_q <= from_last;
            end

            for (genvar t = 0; t < TO; t++) begin : g_pair
                if (2 * t + 1 < FROM) begin : g_both
                    logic second;
                    assign second = from_key[(2*t+1)*W+:W] > from_key[2*t*W+:W];

                    always_ff @(posedge clk) begin
                        key_q[t*W+:W]      <= second ? from_key[(2*t+1)*W+:W] : from_key[2*t*W+:W];
                        lane_q[t*L_W+:L_W] <= second ? from_lane[(2*t+1)*L_W+:L_W]
                                                     : from_lane[2*t*L_W+:L_W];
                    end
                end else begin : g_alone
                    always_ff @(posedge clk) begin
                        key_q[t*W+:W]      <= from_key[2*t*W+:W];
                        lane_q[t*L_W+:L_W] <= from_lane[2*t*L_W+:L_W];
                    end
                end
            end
        end

        if (LEVELS == 0) begin : g_last
            assign last_key  = key;
            assign last_lane = lane;
            assign last_beat = beat;
            assign last_last = last;
        end else begin : g_last
            assign last_key  = g_level[LEVELS-1].key_q;
            assign last_lane = g_level[LEVELS-1].lane_q;
            assign last_beat = g_level[LEVELS-1].beat_q;
            assign last_last = g_level[LEVELS-1].last_q;
        end
    endgenerate

    logic [B_W-1:0] place_q, best_place_q, place;   // beat of the frame
    logic [W-1:0]   best_q;
    logic [L_W-1:0] best_lane_q, winner;
    logic           better;
    logic [30:0]    index_q;
    logic           valid_q;

    assign better = place_q == '0 || last_key > best_q;
    assign place  = better ? place_q : best_place_q;
    assign winner = better ? last_lane : best_lane_q;

    // With TAKES there is one lane, and no register before it.
    logic [W-1:0] first_q;

    always_ff @(posedge clk) begin
        if (beat && place_q == '0) first_q <= tdata[W-1:0];
    end

    always_ff @(posedge clk) begin
        if (last_beat) begin
            place_q <= last_last ? '0 : place_q + 1'b1;
            if (better) begin
                best_q       <= last_key;
                best_lane_q  <= last_lane;
                best_place_q <= place_q;
            end
        end
        if (last_beat && last_last) begin
            index_q <= TAKES ? 31'(place_q == '0 ? tdata[W-1:0] : first_q)
                             : 31'(place) * 31'(LANES) + 31'(winner);
            valid_q <= 1'b1;
        end
        if (rst) begin
            place_q <= '0;
            valid_q <= 1'b0;
            index_q <= '0;
        end
    end

    assign index = index_q;
    assign valid = valid_q;

endmodule

`default_nettype wire
