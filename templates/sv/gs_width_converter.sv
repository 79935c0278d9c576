// gs_width_converter: beats of IN units in, beats of OUT units out, in the same order.
//
// One input beat or one output beat a cycle, whichever is the narrower, without a bubble;
// latency 1. Any ratio. tready and the outputs come from flip-flops. A frame must be whole beats
// on both sides; nothing is filled up. Make the unit as large as the two widths allow: IN = 1 is a
// shift register, otherwise the cost grows with IN and OUT. For IN = OUT use gs_skid_buffer.

`default_nettype none

module gs_width_converter #(
    parameter int W   = 8,  // bits of a unit
    parameter int IN  = 1,  // units in an input beat
    parameter int OUT = 1   // units in an output beat; IN and OUT have no common factor
) (
    input  wire logic             clk,
    input  wire logic             rst,            // synchronous, active high

    // AXI4-Stream in, IN units a beat
    input  wire logic [IN*W-1:0]  s_axis_tdata,
    input  wire logic             s_axis_tvalid,
    output wire logic             s_axis_tready,

    // AXI4-Stream out, OUT units a beat
    output wire logic [OUT*W-1:0] m_axis_tdata,
    output wire logic             m_axis_tvalid,
    input  wire logic             m_axis_tready
);

    generate
        if (IN == 1 && OUT > 1) begin : g_collect
            // A shift register, whose bits need no multiplexer. One unit more can wait beside a whole
            // beat, so that tready needs no look at m_axis_tready.
            localparam int P_W = $clog2(OUT);

            logic [OUT*W-1:0] beat_q;
            logic [W-1:0]     spare_q, unit;
            logic [P_W-1:0]   place_q;  // units of the beat that is being collected
            logic             whole_q, spare_valid_q, shift, last;

            assign unit  = spare_valid_q ? spare_q : s_axis_tdata;
            assign shift = (s_axis_tvalid || spare_valid_q) && (!whole_q || m_axis_tready);
            assign last  = place_q == P_W'(OUT - 1);

            always_ff @(posedge clk) begin
                if (shift) begin
                    beat_q  <= {unit, beat_q[OUT*W-1:W]};
                    place_q <= last ? '0 : place_q + 1'b1;
                end
                if (!spare_valid_q) spare_q <= s_axis_tdata;
                whole_q       <= (whole_q && !m_axis_tready) || (shift && last);
                spare_valid_q <= (spare_valid_q || s_axis_tvalid) && whole_q && !m_axis_tready;
                if (rst) begin
                    place_q       <= '0;
                    whole_q       <= 1'b0;
                    spare_valid_q <= 1'b0;
                end
            end

            assign s_axis_tready = !spare_valid_q;
            assign m_axis_tdata  = beat_q;
            assign m_axis_tvalid = whole_q;
        end else begin : g_move
            // With this much room, tready needs no look at m_axis_tready: whenever it is low, at least
            // 2 * OUT units are held (IN > OUT), and it never is while fewer than OUT are (IN < OUT).
            localparam int LESS  = IN < OUT ? IN : OUT;
            localparam int ROOM  = IN + OUT + LESS - 1;
            localparam int START = ROOM - IN;  // most units held when a beat is taken in
            localparam int N_W   = $clog2(ROOM + 1);

            logic [ROOM*W-1:0] held_q, kept, held_d;
            logic [N_W-1:0]    count_q, left, count_d;
            logic              take, give;

            assign take = s_axis_tvalid && s_axis_tready;
            assign give = m_axis_tvalid && m_axis_tready;

            always_comb begin
                kept    = give ? held_q >> (OUT * W) : held_q;
                left    = give ? count_q - N_W'(OUT) : count_q;
                held_d  = kept;
                count_d = left;
                if (take) begin
                    for (int n = 0; n <= START; n++) begin
                        if (left == N_W'(n)) held_d[n*W+:IN*W] = s_axis_tdata;
                    end
                    count_d = left + N_W'(IN);
                end
            end

            always_ff @(posedge clk) begin
                held_q  <= held_d;
                count_q <= count_d;
                if (rst) count_q <= '0;
            end

            assign s_axis_tready = count_q <= N_W'(START);
            assign m_axis_tdata  = held_q[OUT*W-1:0];
            assign m_axis_tvalid = count_q >= N_W'(OUT);
        end
    endgenerate

`ifdef GATESMITH_ASSERT
    m_axis_holds: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
    m_axis_empty: assert property (@(posedge clk) rst |=> !m_axis_tvalid);
    m_axis_waits: assert property (@(posedge clk) disable iff (rst)
        !s_axis_tready |=> $past(m_axis_tvalid));
`endif

endmodule

`default_nettype wire
