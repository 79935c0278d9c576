// A core's two streams on a serial line, 8N1: bytes in are beats in, beats out are bytes out.
//
// A beat of IN_BYTES bytes, the lowest first, goes to the core when its last byte is there; every
// IN_BEATS-th beat is a frame's last. A beat from the core is sent as OUT_BYTES bytes, the lowest
// first; the core waits meanwhile. The line has no way to wait: a beat that comes while the one
// before it has not been taken is lost, and overrun stays until reset.
//
// Use it for demonstrations at the speed of a serial line only.
// Made by gatesmith; a library module, the same in every design.

`default_nettype none

module gs_uart_host #(
    parameter int CLOCKS    = 217,  // cycles of clk in a bit of the line, 4 or more
    parameter int IN_BYTES  = 1,    // bytes of a beat in
    parameter int IN_BEATS  = 1,    // beats of a frame in
    parameter int OUT_BYTES = 1     // bytes of a beat out
) (
    input  wire logic                   clk,
    input  wire logic                   rst,      // synchronous, active high

    // The line
    input  wire logic                   rx,
    output wire logic                   tx,

    // To the core: AXI4-Stream
    output wire logic [8*IN_BYTES-1:0]  m_axis_tdata,
    output wire logic                   m_axis_tvalid,
    input  wire logic                   m_axis_tready,
    output wire logic                   m_axis_tlast,

    // From the core: AXI4-Stream
    input  wire logic [8*OUT_BYTES-1:0] s_axis_tdata,
    input  wire logic                   s_axis_tvalid,
    output wire logic                   s_axis_tready,

    output wire logic                   overrun   // a beat was lost
);

    localparam int COUNT_W = $clog2(CLOCKS);
    localparam int BYTE_W  = (IN_BYTES > 1) ? $clog2(IN_BYTES) : 1;
    localparam int BEAT_W  = (IN_BEATS > 1) ? $clog2(IN_BEATS) : 1;
    localparam int SENT_W  = $clog2(10 * OUT_BYTES + 1);

    // ---- line to bytes: a bit is sampled in its middle ------------------------------------------

    logic [1:0]         line_q;
    logic               hears_q, byte_valid_q;
    logic [COUNT_W-1:0] hear_count_q;
    logic [3:0]         hear_bit_q;
    logic [7:0]         byte_q;

    always_ff @(posedge clk) begin
        line_q       <= {line_q[0], rx};
        byte_valid_q <= 1'b0;
        if (!hears_q) begin
            hears_q      <= !line_q[1];
            hear_count_q <= COUNT_W'(CLOCKS / 2 - 1);
            hear_bit_q   <= 4'd0;
        end else if (hear_count_q != '0) begin
            hear_count_q <= hear_count_q - 1'b1;
        end else begin
            hear_count_q <= COUNT_W'(CLOCKS - 1);
            hear_bit_q   <= hear_bit_q + 4'd1;
            if (hear_bit_q == 4'd0) begin
                hears_q <= !line_q[1];  // a start bit that is over already is none
            end else if (hear_bit_q == 4'd9) begin
                hears_q      <= 1'b0;
                byte_valid_q <= line_q[1];  // the stop bit
            end else begin
                byte_q <= {line_q[1], byte_q[7:1]};
            end
        end
        if (rst) begin
            line_q       <= 2'b11;
            hears_q      <= 1'b0;
            byte_valid_q <= 1'b0;
        end
    end

    // ---- bytes to beats -------------------------------------------------------------------------

    logic [8*IN_BYTES-1:0] word_q, word, out_q;
    logic [BYTE_W-1:0]     bytes_q;
    logic [BEAT_W-1:0]     beats_q;
    logic                  valid_q, last_q, overrun_q, whole;

    assign word  = (8 * IN_BYTES)'({byte_q, word_q} >> 8);
    assign whole = byte_valid_q && bytes_q == BYTE_W'(IN_BYTES - 1);

    assign m_axis_tdata  = out_q;
    assign m_axis_tvalid = valid_q;
    assign m_axis_tlast  = last_q;
    assign overrun       = overrun_q;

    always_ff @(posedge clk) begin
        if (m_axis_tready) valid_q <= 1'b0;
        if (byte_valid_q) begin
            word_q  <= word;
            bytes_q <= whole ? '0 : bytes_q + 1'b1;
        end
        if (whole) begin
            if (valid_q && !m_axis_tready) begin
                overrun_q <= 1'b1;
            end else begin
                out_q   <= word;
                valid_q <= 1'b1;
                last_q  <= beats_q == BEAT_W'(IN_BEATS - 1);
                beats_q <= (beats_q == BEAT_W'(IN_BEATS - 1)) ? '0 : beats_q + 1'b1;
            end
        end
        if (rst) begin
            valid_q   <= 1'b0;
            overrun_q <= 1'b0;
            bytes_q   <= '0;
            beats_q   <= '0;
        end
    end

    // ---- beats to the line: start bit, eight bits, stop bit for each byte -----------------------

    logic [10*OUT_BYTES-1:0] bits_q, bits;
    logic [SENT_W-1:0]       left_q;
    logic [COUNT_W-1:0]      send_count_q;
    logic                    tx_q;

    for (genvar b = 0; b < OUT_BYTES; b++) begin : g_byte
        assign bits[10*b+:10] = {1'b1, s_axis_tdata[8*b+:8], 1'b0};
    end

    assign tx            = tx_q;
    assign s_axis_tready = left_q == '0;

    always_ff @(posedge clk) begin
        if (s_axis_tready) begin
            send_count_q <= '0;
            if (s_axis_tvalid) begin
                bits_q <= bits;
                left_q <= SENT_W'(10 * OUT_BYTES);
            end
        end else if (send_count_q != '0) begin
            send_count_q <= send_count_q - 1'b1;
            if (send_count_q == COUNT_W'(1)) left_q <= left_q - 1'b1;
        end else begin
            send_count_q <= COUNT_W'(CLOCKS - 1);
            tx_q         <= bits_q[0];
            bits_q       <= bits_q >> 1;
        end
        if (rst) begin
            left_q <= '0;
            tx_q   <= 1'b1;
        end
    end

endmodule

`default_nettype wire
