// gs_axil: AXI4-Lite, 32 bits, to single accesses of registers.
//
// One write and one read at a time, independent of each other; address and data of a write may come
// in any order. `write` is high for the one cycle in which a write is done; it waits while
// write_wait is high. `read` is high until read_done, and read_data counts in that cycle. An error
// is answered as SLVERR. Every ready and every valid comes from a flip-flop.

`default_nettype none

module gs_axil #(
    parameter int ADDRESS_W = 12   // bits of a byte address
) (
    input  wire logic                 clk,
    input  wire logic                 rst,            // synchronous, active high

    // AXI4-Lite
    input  wire logic [ADDRESS_W-1:0] s_axil_awaddr,
    input  wire logic                 s_axil_awvalid,
    output wire logic                 s_axil_awready,
    input  wire logic [31:0]          s_axil_wdata,
    input  wire logic [3:0]           s_axil_wstrb,
    input  wire logic                 s_axil_wvalid,
    output wire logic                 s_axil_wready,
    output wire logic [1:0]           s_axil_bresp,
    output wire logic                 s_axil_bvalid,
    input  wire logic                 s_axil_bready,
    input  wire logic [ADDRESS_W-1:0] s_axil_araddr,
    input  wire logic                 s_axil_arvalid,
    output wire logic                 s_axil_arready,
    output wire logic [31:0]          s_axil_rdata,
    output wire logic [1:0]           s_axil_rresp,
    output wire logic                 s_axil_rvalid,
    input  wire logic                 s_axil_rready,

    // Registers; addresses are of words
    output wire logic                 write,
    output wire logic [ADDRESS_W-3:0] write_address,
    output wire logic [31:0]          write_data,
    output wire logic [31:0]          write_mask,     // bits whose byte is written
    input  wire logic                 write_wait,
    input  wire logic                 write_error,
    output wire logic                 read,
    output wire logic [ADDRESS_W-3:0] read_address,
    input  wire logic [31:0]          read_data,
    input  wire logic                 read_done,
    input  wire logic                 read_error
);

    localparam logic [1:0] OKAY   = 2'b00;
    localparam logic [1:0] SLVERR = 2'b10;

    // ---- writes -----------------------------------------------------------------------------

    logic                 aw_ready_q, w_ready_q, b_valid_q;  // a channel is ready until it has one
    logic [ADDRESS_W-3:0] aw_q;
    logic [31:0]          w_q;
    logic [3:0]           strobe_q;
    logic [1:0]           b_resp_q;

    assign s_axil_awready = aw_ready_q;
    assign s_axil_wready  = w_ready_q;
    assign s_axil_bvalid  = b_valid_q;
    assign s_axil_bresp   = b_resp_q;
    assign write          = !aw_ready_q && !w_ready_q && !b_valid_q && !write_wait;
    assign write_address  = aw_q;
    assign write_data     = w_q;
    assign write_mask     = {{8{strobe_q[3]}}, {8{strobe_q[2]}}, {8{strobe_q[1]}}, {8{strobe_q[0]}}};

    always_ff @(posedge clk) begin
        if (s_axil_awvalid && aw_ready_q) begin
            aw_q       <= s_axil_awaddr[ADDRESS_W-1:2];
            aw_ready_q <= 1'b0;
        end
        if (s_axil_wvalid && w_ready_q) begin
            w_q       <= s_axil_wdata;
            strobe_q  <= s_axil_wstrb;
            w_ready_q <= 1'b0;
        end
        if (write) begin
            b_valid_q <= 1'b1;
            b_resp_q  <= write_error ? SLVERR : OKAY;
        end
        if (b_valid_q && s_axil_bready) begin
            b_valid_q  <= 1'b0;
            aw_ready_q <= 1'b1;
            w_ready_q  <= 1'b1;
        end
        if (rst) begin
            aw_ready_q <= 1'b1;
            w_ready_q  <= 1'b1;
            b_valid_q  <= 1'b0;
        end
    end

    // ---- reads ------------------------------------------------------------------------------

    logic                 ar_ready_q, r_valid_q;
    logic [ADDRESS_W-3:0] ar_q;
    logic [31:0]          r_q;
    logic [1:0]           r_resp_q;

    assign s_axil_arready = ar_ready_q;
    assign s_axil_rvalid  = r_valid_q;
    assign s_axil_rdata   = r_q;
    assign s_axil_rresp   = r_resp_q;
    assign read           = !ar_ready_q && !r_valid_q;
    assign read_address   = ar_q;

    always_ff @(posedge clk) begin
        if (s_axil_arvalid && ar_ready_q) begin
            ar_q       <= s_axil_araddr[ADDRESS_W-1:2];
            ar_ready_q <= 1'b0;
        end
        if (read && read_done) begin
            r_valid_q <= 1'b1;
            r_q       <= read_data;
            r_resp_q  <= read_error ? SLVERR : OKAY;
        end
        if (r_valid_q && s_axil_rready) begin
            r_valid_q  <= 1'b0;
            ar_ready_q <= 1'b1;
        end
        if (rst) begin
            ar_ready_q <= 1'b1;
            r_valid_q  <= 1'b0;
        end
    end

    // Accesses are of whole words.
    logic unused_ok;
    assign unused_ok = &{1'b0, s_axil_awaddr[1:0], s_axil_araddr[1:0]};

`ifdef GATESMITH_ASSERT
    b_holds: assert property (@(posedge clk) disable iff (rst)
        s_axil_bvalid && !s_axil_bready |=> s_axil_bvalid && $stable(s_axil_bresp));
    r_holds: assert property (@(posedge clk) disable iff (rst)
        s_axil_rvalid && !s_axil_rready |=> s_axil_rvalid && $stable({s_axil_rdata, s_axil_rresp}));
`endif

endmodule

`default_nettype wire
