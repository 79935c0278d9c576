// gs_writer: words of 32 bits into memory, over AXI4, frame after frame.
//
// A burst is begun when all of its words are here, so that the bus never waits for the core. `stop`
// gives up what was not begun, and writes nothing of what was; it has to stay high until `busy` is
// low.

`default_nettype none

module gs_writer #(
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

    // Words
    input  wire logic [31:0] s_data,
    input  wire logic        s_valid,
    output wire logic        s_ready,

    // AXI4, writes
    output wire logic [63:0] m_axi_awaddr,
    output wire logic [7:0]  m_axi_awlen,
    output wire logic        m_axi_awvalid,
    input  wire logic        m_axi_awready,
    output wire logic [31:0] m_axi_wdata,
    output wire logic [3:0]  m_axi_wstrb,
    output wire logic        m_axi_wlast,
    output wire logic        m_axi_wvalid,
    input  wire logic        m_axi_wready,
    input  wire logic [1:0]  m_axi_bresp,
    input  wire logic        m_axi_bvalid,
    output wire logic        m_axi_bready
);

    localparam int DEPTH = 2 * BURST;
    localparam int N_W   = $clog2(DEPTH + 1);
    localparam int F_W   = $clog2(WORDS + 1);

    wire logic        more, offered, room, there;
    wire logic [61:0] at;
    wire logic [8:0]  size;
    wire logic [31:0] held;
    logic             begins, put, give, answered;
    logic [31:0]      frames_q;    // whose words have not all come
    logic [F_W-1:0]   words_q;     // of this frame that have not come
    logic [N_W-1:0]   ready_q;     // words that are here for no burst yet
    logic [8:0]       left_q;      // words of the burst that were not put out
    logic [3:0]       open_q;      // bursts that were not answered
    logic [63:0]      awaddr_q;
    logic [7:0]       awlen_q;
    logic             awvalid_q;
    logic [31:0]      wdata_q;
    logic [3:0]       wstrb_q;
    logic             wlast_q, wvalid_q;

    gs_bursts #(.WORDS(WORDS), .BURST(BURST)) u_bursts (
        .clk(clk), .rst(rst), .stop(stop), .start(start), .word(word), .frames(frames), .busy(more),
        .m_word(at), .m_size(size), .m_valid(offered), .m_ready(begins)
    );

    assign s_ready  = room && frames_q != '0 && !stop;
    assign put      = s_valid && s_ready;
    assign begins   = offered && !stop && !awvalid_q && left_q == '0 && open_q != '1
                      && 32'(size) <= 32'(ready_q);
    assign give     = left_q != '0 && (there || stop) && (!wvalid_q || m_axi_wready);
    assign answered = m_axi_bvalid && m_axi_bready;

    // Words of no other frames are taken: what comes behind them stays where it is.
    always_ff @(posedge clk) begin
        if (put) begin
            words_q  <= words_q == F_W'(1) ? F_W'(WORDS) : words_q - 1'b1;
            frames_q <= frames_q - 32'(words_q == F_W'(1));
        end
        if (start && !busy) begin
            words_q  <= F_W'(WORDS);
            frames_q <= frames;
        end
        if (rst || stop) frames_q <= '0;
    end

    always_ff @(posedge clk) begin
        if (m_axi_awready) awvalid_q <= 1'b0;
        if (begins) begin
            awvalid_q <= 1'b1;
            awaddr_q  <= {at, 2'b00};
            awlen_q   <= 8'(size - 9'd1);
        end
        left_q  <= begins ? size : left_q - 9'(give);
        open_q  <= open_q + 4'(begins) - 4'(answered);
        ready_q <= ready_q + N_W'(put) - (begins ? N_W'(size) : '0);
        if (stop) ready_q <= '0;
        if (rst) begin
            awvalid_q <= 1'b0;
            left_q    <= '0;
            open_q    <= '0;
            ready_q   <= '0;
        end
    end

    always_ff @(posedge clk) begin
        if (m_axi_wready) wvalid_q <= 1'b0;
        if (give) begin
            wvalid_q <= 1'b1;
            wdata_q  <= held;
            wstrb_q  <= stop ? 4'd0 : 4'd15;
            wlast_q  <= left_q == 9'd1;
        end
        if (rst) wvalid_q <= 1'b0;
    end

    gs_fifo #(.W(32), .DEPTH(DEPTH), .BLOCK_RAM(0)) u_words (
        .clk(clk), .rst(rst || stop),
        .s_axis_tdata(s_data), .s_axis_tvalid(put), .s_axis_tready(room),
        .m_axis_tdata(held), .m_axis_tvalid(there), .m_axis_tready(give && !stop)
    );

    assign m_axi_awaddr  = awaddr_q;
    assign m_axi_awlen   = awlen_q;
    assign m_axi_awvalid = awvalid_q;
    assign m_axi_wdata   = wdata_q;
    assign m_axi_wstrb   = wstrb_q;
    assign m_axi_wlast   = wlast_q;
    assign m_axi_wvalid  = wvalid_q;
    assign m_axi_bready  = open_q != '0;
    assign busy          = more || awvalid_q || left_q != '0 || wvalid_q || open_q != '0;
    assign failed        = answered && m_axi_bresp[1];

    logic unused_ok;
    assign unused_ok = &{1'b0, m_axi_bresp[0]};

`ifdef GATESMITH_ASSERT
    m_axi_aw_holds: assert property (@(posedge clk) disable iff (rst)
        m_axi_awvalid && !m_axi_awready |=> m_axi_awvalid && $stable(m_axi_awaddr) && $stable(m_axi_awlen));
    m_axi_w_holds: assert property (@(posedge clk) disable iff (rst)
        m_axi_wvalid && !m_axi_wready
        |=> m_axi_wvalid && $stable(m_axi_wdata) && $stable(m_axi_wstrb) && $stable(m_axi_wlast));
    no_word_is_waited_for: assert property (@(posedge clk) disable iff (rst || stop)
        1'b1 |=> left_q == '0 || there);
    in_one_page: assert property (@(posedge clk) disable iff (rst)
        1'b1 |=> !m_axi_awvalid || 13'(m_axi_awaddr[11:0]) + 13'(m_axi_awlen) * 13'd4 < 13'd4096);
`endif

endmodule

`default_nettype wire
