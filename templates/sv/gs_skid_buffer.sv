// gs_skid_buffer: a stream register that cuts the path of tready as well.
//
// Both tready and the outputs come from flip-flops. Holds two beats, so that it passes one beat a
// cycle; latency 1. For more than two beats use gs_fifo.

`default_nettype none

module gs_skid_buffer #(
    parameter int W = 8  // bits of a beat
) (
    input  wire logic         clk,
    input  wire logic         rst,            // synchronous, active high

    // AXI4-Stream in
    input  wire logic [W-1:0] s_axis_tdata,
    input  wire logic         s_axis_tvalid,
    output wire logic         s_axis_tready,

    // AXI4-Stream out
    output wire logic [W-1:0] m_axis_tdata,
    output wire logic         m_axis_tvalid,
    input  wire logic         m_axis_tready
);

    logic [W-1:0] out_q, spare_q;
    logic         out_valid_q, spare_valid_q;

    always_ff @(posedge clk) begin
        if (m_axis_tready || !out_valid_q) begin
            out_q         <= spare_valid_q ? spare_q : s_axis_tdata;
            out_valid_q   <= spare_valid_q || s_axis_tvalid;
            spare_valid_q <= 1'b0;
        end else if (s_axis_tvalid && s_axis_tready) begin
            spare_valid_q <= 1'b1;
        end
        if (s_axis_tready) spare_q <= s_axis_tdata;
        // Data needs no reset: nobody reads it while its valid is low.
        if (rst) begin
            out_valid_q   <= 1'b0;
            spare_valid_q <= 1'b0;
        end
    end

    assign s_axis_tready = !spare_valid_q;
    assign m_axis_tdata  = out_q;
    assign m_axis_tvalid = out_valid_q;

`ifdef GATESMITH_ASSERT
    m_axis_holds: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
    m_axis_empty: assert property (@(posedge clk) rst |=> !m_axis_tvalid);
    m_axis_waits: assert property (@(posedge clk) disable iff (rst)
        !s_axis_tready |=> $past(m_axis_tvalid));
`endif

endmodule

`default_nettype wire
