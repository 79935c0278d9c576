// gs_fifo: first in, first out; holds DEPTH beats.
//
// One beat a cycle (one in two for DEPTH = 1, two in three for DEPTH = 2 with BLOCK_RAM). tready
// comes from a flip-flop. Latency 1; with BLOCK_RAM 2, because the memory is read into a register.

`default_nettype none

module gs_fifo #(
    parameter int W         = 8,    // bits of a beat
    parameter int DEPTH     = 2,    // beats that can wait, 1 or more
    parameter int BLOCK_RAM = 0   // 1: keep them in block RAM, not in LUTs
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

    localparam int A_W = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam int N_W = $clog2(DEPTH + 1);

    logic [A_W-1:0] write_q, read_q, read_d;
    logic [N_W-1:0] count_q, left;
    logic           take, give, ready_q;

    assign take = s_axis_tvalid && s_axis_tready;
    assign give = m_axis_tvalid && m_axis_tready;
    assign left = count_q - N_W'(give);

    always_comb begin
        read_d = read_q;
        if (give) read_d = read_q == A_W'(DEPTH - 1) ? '0 : read_q + 1'b1;
    end

    always_ff @(posedge clk) begin
        count_q <= left + N_W'(take);
        ready_q <= left + N_W'(take) != N_W'(DEPTH);
        read_q  <= read_d;
        if (take) write_q <= write_q == A_W'(DEPTH - 1) ? '0 : write_q + 1'b1;
        if (rst) begin
            count_q <= '0;
            ready_q <= 1'b1;
            read_q  <= '0;
            write_q <= '0;
        end
    end

    assign s_axis_tready = ready_q;

    generate
        if (BLOCK_RAM != 0) begin : g_block
            (* ram_style = "block" *)
            logic [W-1:0] ram [0:DEPTH-1];
            logic [W-1:0] out_q;
            logic         out_valid_q;

            // A beat that is written at this edge can be read at the next one.
            always_ff @(posedge clk) begin
                if (take) ram[write_q] <= s_axis_tdata;
                out_q       <= ram[read_d];
                out_valid_q <= left != '0 && !rst;
            end

            assign m_axis_tdata  = out_q;
            assign m_axis_tvalid = out_valid_q;
        end else begin : g_distributed
            logic [W-1:0] ram [0:DEPTH-1];

            always_ff @(posedge clk) begin
                if (take) ram[write_q] <= s_axis_tdata;
            end

            assign m_axis_tdata  = ram[read_q];
            assign m_axis_tvalid = count_q != '0;
        end
    endgenerate

`ifdef GATESMITH_PROBE
    logic [N_W-1:0] most_q /* verilator public_flat_rd */;  // beats that waited at most

    always_ff @(posedge clk) begin
        if (count_q > most_q) most_q <= count_q;
        if (rst) most_q <= '0;
    end
`endif

`ifdef GATESMITH_ASSERT
    m_axis_holds: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
    m_axis_empty: assert property (@(posedge clk) rst |=> !m_axis_tvalid);
    m_axis_waits: assert property (@(posedge clk) disable iff (rst)
        !s_axis_tready |=> $past(count_q == N_W'(DEPTH)));
`endif

endmodule

`default_nettype wire
