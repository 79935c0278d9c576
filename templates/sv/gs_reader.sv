// gs_reader: frames out of memory, over AXI4, as words of 32 bits.
//
// A burst is asked for when its words find room here, so that the bus never waits for the core. `stop`
// gives up what was not asked for and drops the rest; it has to stay high until `busy` is low.

`default_nettype none

module gs_reader #(
    parameter int WORDS = 16,   // words of 32 bits in a frame
    parameter int BURST = 16    // most words of a burst, 1 to 256
) (
    input  wire logic        clk,
    input  wire logic        rst,        // synchronous, active high; resets the bus as well
    input  wire logic        stop,

    input  wire logic        start,      // takes the next two
    input  wire logic [61:0] word,       // address of the first word, in words
    input  wire logic [31:0] frames,
    output wire logic        busy,
    output wire logic        failed,     // the bus answers with an error

    // AXI4, reads
    output wire logic [63:0] m_axi_araddr,
    output wire logic [7:0]  m_axi_arlen,
    output wire logic        m_axi_arvalid,
    input  wire logic        m_axi_arready,
    input  wire logic [31:0] m_axi_rdata,
    input  wire logic [1:0]  m_axi_rresp,
    input  wire logic        m_axi_rvalid,
    output wire logic        m_axi_rready,

    // Words
    output wire logic [31:0] m_data,
    output wire logic        m_valid,
    input  wire logic        m_ready
);

    localparam int DEPTH = 2 * BURST;
    localparam int N_W   = $clog2(DEPTH + 1);

    wire logic      more, offered, put_ready;
    wire logic [61:0] at;
    wire logic [8:0]  size;
    logic             ask, take, come;
    logic [63:0]      araddr_q;
    logic [7:0]       arlen_q;
    logic             arvalid_q;
    logic [N_W-1:0]   room_q;    // words that find room and were not asked for
    logic [N_W-1:0]   owed_q;    // words that were asked for and did not come

    gs_bursts #(.WORDS(WORDS), .BURST(BURST)) u_bursts (
        .clk(clk), .rst(rst), .stop(stop), .start(start), .word(word), .frames(frames), .busy(more),
        .m_word(at), .m_size(size), .m_valid(offered), .m_ready(ask)
    );

    assign ask  = offered && !stop && !arvalid_q && 32'(size) <= 32'(room_q);
    assign take = m_valid && m_ready;
    assign come = m_axi_rvalid && m_axi_rready;

    always_ff @(posedge clk) begin
        if (m_axi_arready) arvalid_q <= 1'b0;
        if (ask) begin
            arvalid_q <= 1'b1;
            araddr_q  <= {at, 2'b00};
            arlen_q   <= 8'(size - 9'd1);
        end
        room_q <= room_q + N_W'(take) - (ask ? N_W'(size) : '0);
        owed_q <= owed_q - N_W'(come) + (ask ? N_W'(size) : '0);
        if (stop) room_q <= N_W'(DEPTH) - owed_q;
        if (rst) begin
            arvalid_q <= 1'b0;
            room_q    <= N_W'(DEPTH);
            owed_q    <= '0;
        end
    end

    gs_fifo #(.W(32), .DEPTH(DEPTH), .BLOCK_RAM(0)) u_words (
        .clk(clk), .rst(rst || stop),
        .s_axis_tdata(m_axi_rdata), .s_axis_tvalid(come && !stop), .s_axis_tready(put_ready),
        .m_axis_tdata(m_data), .m_axis_tvalid(m_valid), .m_axis_tready(m_ready)
    );

    assign m_axi_araddr  = araddr_q;
    assign m_axi_arlen   = arlen_q;
    assign m_axi_arvalid = arvalid_q;
    assign m_axi_rready  = owed_q != '0;
    assign busy          = more || arvalid_q || owed_q != '0 || (room_q != N_W'(DEPTH) && !stop);
    assign failed        = come && m_axi_rresp[1];

    logic unused_ok;
    assign unused_ok = &{1'b0, put_ready, m_axi_rresp[0]};

`ifdef GATESMITH_ASSERT
    m_axi_ar_holds: assert property (@(posedge clk) disable iff (rst)
        m_axi_arvalid && !m_axi_arready |=> m_axi_arvalid && $stable(m_axi_araddr) && $stable(m_axi_arlen));
    words_find_room: assert property (@(posedge clk) disable iff (rst || stop)
        1'b1 |=> !come || put_ready);
    in_one_page: assert property (@(posedge clk) disable iff (rst)
        1'b1 |=> !m_axi_arvalid || 13'(m_axi_araddr[11:0]) + 13'(m_axi_arlen) * 13'd4 < 13'd4096);
`endif

endmodule

`default_nettype wire
