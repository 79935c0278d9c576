// gs_frame_gate: lets whole frames of a stream through.
//
// A frame begins only while `open` is high, and ends whatever happens. A beat that was offered once
// stays offered. No latency: data goes by outside.

`default_nettype none

module gs_frame_gate #(
    parameter int BEATS = 2   // beats in a frame
) (
    input  wire logic clk,
    input  wire logic rst,            // synchronous, active high
    input  wire logic open,           // the next frame may begin

    // Handshake in and out
    input  wire logic s_axis_tvalid,
    output wire logic s_axis_tready,
    output wire logic m_axis_tvalid,
    input  wire logic m_axis_tready,

    output wire logic last,           // the beat at hand is the last of its frame
    output wire logic idle,           // no beat of a frame is in or offered
    output wire logic began,          // a first beat is transferred
    output wire logic done            // a last beat is transferred
);

    localparam int N_W = BEATS > 1 ? $clog2(BEATS) : 1;

    logic [N_W-1:0] beat_q;    // of the frame
    logic           offered_q;
    logic           pass, take, first;

    assign first         = beat_q == '0;
    assign last          = beat_q == N_W'(BEATS - 1);
    assign pass          = open || offered_q || !first;
    assign take          = m_axis_tvalid && m_axis_tready;
    assign m_axis_tvalid = s_axis_tvalid && pass && !rst;
    assign s_axis_tready = m_axis_tready && pass && !rst;
    assign idle          = first && !offered_q;
    assign began         = take && first;
    assign done          = take && last;

    always_ff @(posedge clk) begin
        offered_q <= m_axis_tvalid && !m_axis_tready;
        if (take) beat_q <= last ? '0 : beat_q + 1'b1;
        if (rst) begin
            offered_q <= 1'b0;
            beat_q    <= '0;
        end
    end

`ifdef GATESMITH_ASSERT
    m_axis_holds: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid);
`endif

endmodule

`default_nettype wire
