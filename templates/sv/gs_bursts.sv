// gs_bursts: cuts frames in memory into AXI4 bursts.
//
// A burst stays in a frame, has at most BURST words of 32 bits, and does not cross 4 kB (AXI4 A3.4.1).
// Frames lie one behind the other. `stop` forgets what is left.

`default_nettype none

module gs_bursts #(
    parameter int WORDS = 16,   // words of 32 bits in a frame
    parameter int BURST = 16    // most words of a burst, 1 to 256
) (
    input  wire logic        clk,
    input  wire logic        rst,        // synchronous, active high
    input  wire logic        stop,

    input  wire logic        start,      // takes the next two
    input  wire logic [61:0] word,       // address of the first word, in words
    input  wire logic [31:0] frames,
    output wire logic        busy,       // there are bursts left

    output wire logic [61:0] m_word,     // address of a burst, in words
    output wire logic [8:0]  m_size,     // its words
    output wire logic        m_valid,
    input  wire logic        m_ready
);

    localparam int N_W = $clog2(WORDS + 1);

    logic [61:0]    word_q;
    logic [31:0]    frames_q;    // not done
    logic [N_W-1:0] left_q;      // words of the frame
    logic [8:0]     size, size_q;
    logic           valid_q, last;
    logic [10:0]    edge_words;  // to the next 4 kB

    assign edge_words = 11'd1024 - 11'(word_q[9:0]);
    assign last       = left_q == N_W'(size_q);

    always_comb begin
        size = 9'(BURST);
        if (32'(left_q) < 32'(size)) size = 9'(left_q);
        if (edge_words < 11'(size)) size = 9'(edge_words);
    end

    always_ff @(posedge clk) begin
        if (valid_q) begin
            if (m_ready) begin
                valid_q  <= 1'b0;
                word_q   <= word_q + 62'(size_q);
                left_q   <= last ? N_W'(WORDS) : left_q - N_W'(size_q);
                frames_q <= frames_q - 32'(last);
            end
        end else if (frames_q != '0) begin
            valid_q <= 1'b1;
            size_q  <= size;
        end else if (start) begin
            word_q   <= word;
            left_q   <= N_W'(WORDS);
            frames_q <= frames;
        end
        if (rst || stop) begin
            valid_q  <= 1'b0;
            frames_q <= '0;
        end
    end

    assign busy    = frames_q != '0;
    assign m_word  = word_q;
    assign m_size  = size_q;
    assign m_valid = valid_q;

endmodule

`default_nettype wire
