// top_k_digits_by_five: indices of the 1 largest of 10 channels, best first; x is i8.
//
// Among equal values the lower index comes first. 5 element(s) a beat, one beat a cycle;
// latency 4 from a vector's last beat.
// From ONNX: /digits_by_five
// Made by gatesmith from templates/sv/top_k.sv.j2; change the template, not this file.

`default_nettype none

module top_k_digits_by_five #(
    localparam int K      = 1,  // indices of a vector
    localparam int LANES  = 5,  // elements in a beat
    localparam int GROUPS = 2,  // beats in a vector
    localparam int X_W    = 8,
    localparam int I_W    = 4   // bits of an index
) (
    input  wire logic                 clk,
    input  wire logic                 rst,            // synchronous, active high

    // x: AXI4-Stream
    input  wire logic [LANES*X_W-1:0] s_axis_tdata,
    input  wire logic                 s_axis_tvalid,
    output wire logic                 s_axis_tready,

    // indices: AXI4-Stream, one beat a vector
    output wire logic [K*I_W-1:0]     m_axis_tdata,
    output wire logic                 m_axis_tvalid,
    input  wire logic                 m_axis_tready
);

    // The pipeline moves unless a finished vector would overwrite an output that is not taken yet.
    logic             step, finished, out_valid_q;
    logic [K*I_W-1:0] out_q;

    // Whether a, which has the higher index, goes before b.
    function automatic logic wins(input logic [X_W-1:0] a, input logic [X_W-1:0] b);
        wins = $signed(a) > $signed(b);
    endfunction

    // ---- best element of a beat -------------------------------------------------------------

    logic           valid, first, last;  // of the beat that meets the running list
    logic [X_W-1:0] value;
    logic [I_W-1:0] index;

    logic [$clog2(GROUPS)-1:0] group_q;  // beat of the vector
    logic                      last_group;
    logic [I_W-1:0]            base_q;  // index of its first element

    assign last_group = group_q == ($clog2(GROUPS))'(GROUPS - 1);

    always_ff @(posedge clk) begin
        if (step && s_axis_tvalid) group_q <= last_group ? '0 : group_q + 1'b1;
        if (rst) group_q <= '0;
    end

    localparam int DELAY = 3;  // registers before the running list

    // A tournament: level l has ceil(LANES / 2**l) elements, each with its index, and a register.
    logic [DELAY-1:0] valid_q;

    always_ff @(posedge clk) begin
        if (step) valid_q <= DELAY'({valid_q, s_axis_tvalid});
        if (rst) valid_q <= '0;
    end

    generate
        for (genvar l = 0; l < DELAY; l++) begin : g_level
            localparam int FROM = (LANES + (1 << l) - 1) >> l;
            localparam int TO   = (FROM + 1) / 2;

            wire logic [FROM*X_W-1:0] from_value;
            wire logic [FROM*I_W-1:0] from_index;
            logic      [TO*X_W-1:0]   value_q;
            logic      [TO*I_W-1:0]   index_q;

            if (l == 0) begin : g_from
                assign from_value = s_axis_tdata;
                for (genvar e = 0; e < LANES; e++) begin : g_element
                    assign from_index[e*I_W+:I_W] = base_q + I_W'(e);
                end
            end else begin : g_from
                assign from_value = g_level[l-1].value_q;
                assign from_index = g_level[l-1].index_q;
            end

            for (genvar e = 0; e < TO; e++) begin : g_element
                if (2 * e + 1 < FROM) begin : g_match
                    logic upper;
                    assign upper = wins(from_value[(2*e+1)*X_W+:X_W], from_value[2*e*X_W+:X_W]);
                    always_ff @(posedge clk) begin
                        if (step) begin
                            value_q[e*X_W+:X_W] <= upper ? from_value[(2*e+1)*X_W+:X_W]
                                                         : from_value[2*e*X_W+:X_W];
                            index_q[e*I_W+:I_W] <= upper ? from_index[(2*e+1)*I_W+:I_W]
                                                         : from_index[2*e*I_W+:I_W];
                        end
                    end
                end else begin : g_match
                    always_ff @(posedge clk) begin
                        if (step) begin
                            value_q[e*X_W+:X_W] <= from_value[2*e*X_W+:X_W];
                            index_q[e*I_W+:I_W] <= from_index[2*e*I_W+:I_W];
                        end
                    end
                end
            end
        end
    endgenerate

    assign valid = valid_q[DELAY-1];
    assign value = g_level[DELAY-1].value_q;
    assign index = g_level[DELAY-1].index_q;

    logic [DELAY-1:0] first_q, last_q;  // beside valid_q

    always_ff @(posedge clk) begin
        if (step) begin
            first_q <= DELAY'({first_q, group_q == '0});
            last_q  <= DELAY'({last_q, last_group});
        end
        if (step && s_axis_tvalid) base_q <= last_group ? '0 : base_q + I_W'(LANES);
        if (rst) base_q <= '0;
    end

    assign first = first_q[DELAY-1];
    assign last  = last_q[DELAY-1];

    // ---- running list of the best, sorted ---------------------------------------------------

    // The new element goes in before the first entry that it beats; what it beats moves down.
    logic [K-1:0]     held_q, beats, held_d;
    logic [K*X_W-1:0] values_q, values_d;
    logic [K*I_W-1:0] indices_q, indices_d;

    always_comb begin
        for (int j = 0; j < K; j++) begin
            beats[j] = first || !held_q[j] || wins(value, values_q[j*X_W+:X_W]);
        end
        for (int j = 0; j < K; j++) begin
            held_d[j]              = held_q[j] && !first;
            values_d[j*X_W+:X_W]   = values_q[j*X_W+:X_W];
            indices_d[j*I_W+:I_W]  = indices_q[j*I_W+:I_W];
            if (beats[j]) begin
                held_d[j]             = 1'b1;
                values_d[j*X_W+:X_W]  = value;
                indices_d[j*I_W+:I_W] = index;
            end
        end
        for (int j = 1; j < K; j++) begin
            if (beats[j-1]) begin
                held_d[j]             = held_q[j-1] && !first;
                values_d[j*X_W+:X_W]  = values_q[(j-1)*X_W+:X_W];
                indices_d[j*I_W+:I_W] = indices_q[(j-1)*I_W+:I_W];
            end
        end
    end

    assign finished = valid && last;
    assign step     = !(finished && out_valid_q && !m_axis_tready);

    always_ff @(posedge clk) begin
        if (step && valid) begin
            held_q    <= held_d;
            values_q  <= values_d;
            indices_q <= indices_d;
        end
        if (step && finished) out_q <= indices_d;

        if (m_axis_tready) out_valid_q <= 1'b0;
        if (step && finished) out_valid_q <= 1'b1;
        // Data needs no reset: the list starts anew with a vector's first element.
        if (rst) out_valid_q <= 1'b0;
    end

    assign s_axis_tready = step;
    assign m_axis_tdata  = out_q;
    assign m_axis_tvalid = out_valid_q;

`ifdef GATESMITH_ASSERT
    m_axis_holds: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
    m_axis_empty: assert property (@(posedge clk) rst |=> !m_axis_tvalid);
    m_axis_waits: assert property (@(posedge clk) disable iff (rst)
        !step |=> $past(finished && m_axis_tvalid && !m_axis_tready));
`endif

endmodule

`default_nettype wire
