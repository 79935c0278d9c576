// gs_window_in: words written to a register become beats of a stream.
//
// A beat of W bits is CHUNKS words of 32, the lowest first; it enters a FIFO with its last word. One
// that finds no room is lost, and `overflow` is high for a cycle.

`default_nettype none

module gs_window_in #(
    parameter int W         = 8,   // bits of a beat
    parameter int DEPTH     = 4,   // beats that can wait
    parameter int BLOCK_RAM = 0    // 1: keep them in block RAM
) (
    input  wire logic         clk,
    input  wire logic         rst,            // synchronous, active high

    input  wire logic         write,
    input  wire logic [31:0]  data,
    output wire logic [15:0]  space,          // beats that find room
    output wire logic         overflow,

    // AXI4-Stream out
    output wire logic [W-1:0] m_axis_tdata,
    output wire logic         m_axis_tvalid,
    input  wire logic         m_axis_tready
);

    localparam int CHUNKS = (W + 31) / 32;

    logic [32*CHUNKS-1:0] beat;
    logic                 whole;     // the word that is written is the last of a beat
    logic                 put, give;
    wire logic            room;
    logic [15:0]          space_q;

    generate
        if (CHUNKS > 1) begin : g_gather
            localparam int C_W = $clog2(CHUNKS);
            logic [32*CHUNKS-33:0] held_q;   // all words but the last
            logic [C_W-1:0]        chunk_q;

            assign whole = chunk_q == C_W'(CHUNKS - 1);
            assign beat  = {data, held_q};

            always_ff @(posedge clk) begin
                for (int k = 0; k < CHUNKS - 1; k++) begin
                    if (write && chunk_q == C_W'(k)) held_q[32*k+:32] <= data;
                end
                if (write) chunk_q <= whole ? '0 : chunk_q + 1'b1;
                if (rst) chunk_q <= '0;
            end
        end else begin : g_single
            assign whole = 1'b1;
            assign beat  = data;
        end
        if (32 * CHUNKS > W) begin : g_spare
            logic unused_ok;
            assign unused_ok = &{1'b0, beat[32*CHUNKS-1:W]};
        end
    endgenerate

    assign put      = write && whole;
    assign give     = m_axis_tvalid && m_axis_tready;
    assign overflow = put && !room;
    assign space    = space_q;

    always_ff @(posedge clk) begin
        space_q <= space_q + 16'(give) - 16'(put && room);
        if (rst) space_q <= 16'(DEPTH);
    end

    gs_fifo #(.W(W), .DEPTH(DEPTH), .BLOCK_RAM(BLOCK_RAM)) u_fifo (
        .clk(clk), .rst(rst),
        .s_axis_tdata(beat[W-1:0]), .s_axis_tvalid(put), .s_axis_tready(room),
        .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready)
    );

endmodule

`default_nettype wire
