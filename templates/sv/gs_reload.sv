// gs_reload: the way of single words of 32 bits into a memory of any width, and back.
//
// Beside the memory of one stage. A word of the memory is CHUNKS words of 32 bits, the lowest
// first; it is stored when the last of them is written. What is read comes two cycles behind
// its address, where the memory itself takes one: everything on the way is held until then.

`default_nettype none

module gs_reload #(
    parameter int W = 8,   // bits of a word of the memory
    localparam int CHUNKS = (W + 31) / 32,
    localparam int C_W    = CHUNKS > 1 ? $clog2(CHUNKS) : 1
) (
    input  wire logic           clk,

    input  wire logic           select,     // this memory is meant
    input  wire logic           write,
    input  wire logic [C_W-1:0] chunk,
    input  wire logic [31:0]    data,
    output wire logic [31:0]    read,       // 0 where another memory is meant

    // The memory
    output wire logic           store,
    output wire logic [W-1:0]   store_data,
    input  wire logic [W-1:0]   read_data
);

    logic [32*CHUNKS-1:0] word, wide;
    logic [31:0]          picked, read_q;

    generate
        if (CHUNKS > 1) begin : g_gather
            logic [32*CHUNKS-33:0] held_q;   // all chunks but the last

            always_ff @(posedge clk) begin
                for (int k = 0; k < CHUNKS - 1; k++) begin
                    if (select && write && chunk == C_W'(k)) held_q[32*k+:32] <= data;
                end
            end

            assign word = {data, held_q};
        end else begin : g_single
            assign word = data;
        end
        if (32 * CHUNKS > W) begin : g_spare
            logic unused_ok;
            assign unused_ok = &{1'b0, word[32*CHUNKS-1:W]};
        end
    endgenerate

    assign store      = select && write && chunk == C_W'(CHUNKS - 1);
    assign store_data = word[W-1:0];
    assign wide       = (32 * CHUNKS)'(read_data);

    always_comb begin
        picked = '0;
        for (int k = 0; k < CHUNKS; k++) begin
            if (chunk == C_W'(k)) picked = wide[32*k+:32];
        end
    end

    always_ff @(posedge clk) read_q <= select ? picked : '0;

    assign read = read_q;

endmodule

`default_nettype wire
