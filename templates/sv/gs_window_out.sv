// gs_window_out: beats of a stream are read from a register, word after word.
//
// A beat of W bits is CHUNKS words of 32, the lowest first, filled up with zeros; it leaves its FIFO
// when its last word is read. `underflow` is high for a cycle when there is none to read.

`default_nettype none

module gs_window_out #(
    parameter int W         = 8,   // bits of a beat
    parameter int DEPTH     = 4,   // beats that can wait
    parameter int BLOCK_RAM = 0    // 1: keep them in block RAM
) (
    input  wire logic         clk,
    input  wire logic         rst,            // synchronous, active high

    // AXI4-Stream in
    input  wire logic [W-1:0] s_axis_tdata,
    input  wire logic         s_axis_tvalid,
    output wire logic         s_axis_tready,

    input  wire logic         read,           // `data` is taken
    output wire logic [31:0]  data,
    output wire logic [15:0]  level,          // beats that wait
    output wire logic         valid,          // there is a word
    output wire logic         underflow
);

    localparam int CHUNKS = (W + 31) / 32;

    wire logic [W-1:0]    beat;
    wire logic            there;
    logic [32*CHUNKS-1:0] wide;
    logic [31:0]          word;
    logic                 whole;   // the word at hand is the last of its beat
    logic                 take, put;
    logic [15:0]          level_q;

    assign wide      = (32 * CHUNKS)'(beat);
    assign take      = read && there && whole;
    assign put       = s_axis_tvalid && s_axis_tready;
    assign valid     = there;
    assign underflow = read && !there;
    assign data      = there ? word : '0;
    assign level     = level_q;

    generate
        if (CHUNKS > 1) begin : g_pick
            localparam int C_W = $clog2(CHUNKS);
            logic [C_W-1:0] chunk_q;

            assign whole = chunk_q == C_W'(CHUNKS - 1);

            always_comb begin
                word = '0;
                for (int k = 0; k < CHUNKS; k++) begin
                    if (chunk_q == C_W'(k)) word = wide[32*k+:32];
                end
            end

            always_ff @(posedge clk) begin
                if (read && there) chunk_q <= whole ? '0 : chunk_q + 1'b1;
                if (rst) chunk_q <= '0;
            end
        end else begin : g_single
            assign whole = 1'b1;
            assign word  = wide;
        end
    endgenerate

    always_ff @(posedge clk) begin
        level_q <= level_q + 16'(put) - 16'(take);
        if (rst) level_q <= '0;
    end

    gs_fifo #(.W(W), .DEPTH(DEPTH), .BLOCK_RAM(BLOCK_RAM)) u_fifo (
        .clk(clk), .rst(rst),
        .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready),
        .m_axis_tdata(beat), .m_axis_tvalid(there), .m_axis_tready(take)
    );

endmodule

`default_nettype wire
