// gs_adder_tree: sum of TERMS numbers, a register every 8 terms.
//
//     sum = terms[0] + terms[1] + ... modulo 2**SUM_W
//
// Latency ceil(log8(TERMS)) cycles in which step is high; one term is a wire. Level l has
// ceil(TERMS / 8**l) terms, three bits wider than the level before, never wider than SUM_W.
// Use `+` for a sum of two; use this where a flat sum would be one long path.

`default_nettype none

module gs_adder_tree #(
    parameter int TERMS  = 8,
    parameter int TERM_W = 1,     // bits of one term
    parameter int SUM_W  = 4,     // bits of the sum, at least TERM_W
    parameter bit SIGNED = 1'b0   // terms are two's complement
) (
    input  wire logic                    clk,
    input  wire logic                    step,   // move every register
    input  wire logic [TERMS*TERM_W-1:0] terms,
    output wire logic [SUM_W-1:0]        sum
);

    localparam int LEVELS = int'(TERMS > 1) + int'(TERMS > 8) + int'(TERMS > 64) + int'(TERMS > 512)
        + int'(TERMS > 4096) + int'(TERMS > 32768) + int'(TERMS > 262144);

    generate
        for (genvar l = 0; l < LEVELS; l++) begin : g_level
            localparam int FROM   = (TERMS + (1 << (3 * l)) - 1) >> (3 * l);
            localparam int TO     = (FROM + 7) / 8;
            localparam int FROM_W = TERM_W + 3 * l < SUM_W ? TERM_W + 3 * l : SUM_W;
            localparam int TO_W   = FROM_W + 3 < SUM_W ? FROM_W + 3 : SUM_W;

            wire logic [TO*8*FROM_W-1:0] from;  // filled up with zeros to whole groups of eight
            logic      [TO*TO_W-1:0]     sum_q;

            if (l == 0) begin : g_from
                assign from = (TO * 8 * FROM_W)'(terms);
            end else begin : g_from
                assign from = (TO * 8 * FROM_W)'(g_level[l-1].sum_q);
            end

            if (FROM_W == 1 && !SIGNED) begin : g_popcount
                always_ff @(posedge clk) begin
                    if (step) begin
                        for (int t = 0; t < TO; t++) begin
                            sum_q[t*TO_W+:TO_W] <= TO_W'($countones(from[t*8+:8]));
                        end
                    end
                end
            end else begin : g_add
                logic [TO*8*TO_W-1:0] wide;
                always_comb begin
                    for (int t = 0; t < TO * 8; t++) begin
                        wide[t*TO_W+:TO_W] = TO_W'(
                            $signed({SIGNED && from[t*FROM_W+FROM_W-1], from[t*FROM_W+:FROM_W]}));
                    end
                end
                always_ff @(posedge clk) begin
                    if (step) begin
                        for (int t = 0; t < TO; t++) begin
                            sum_q[t*TO_W+:TO_W] <=
                                ((wide[(t*8+0)*TO_W+:TO_W] + wide[(t*8+1)*TO_W+:TO_W])
                                + (wide[(t*8+2)*TO_W+:TO_W] + wide[(t*8+3)*TO_W+:TO_W]))
                                + ((wide[(t*8+4)*TO_W+:TO_W] + wide[(t*8+5)*TO_W+:TO_W])
                                + (wide[(t*8+6)*TO_W+:TO_W] + wide[(t*8+7)*TO_W+:TO_W]));
                        end
                    end
                end
            end
        end

        if (LEVELS == 0) begin : g_sum
            logic unused_ok;
            assign unused_ok = &{1'b0, clk, step};
            assign sum = SUM_W'($signed({SIGNED && terms[TERM_W-1], terms[TERM_W-1:0]}));
        end else begin : g_sum
            localparam int TOP_W = TERM_W + 3 * LEVELS < SUM_W ? TERM_W + 3 * LEVELS : SUM_W;
            assign sum = SUM_W'(
                $signed({SIGNED && g_level[LEVELS-1].sum_q[TOP_W-1], g_level[LEVELS-1].sum_q}));
        end
    endgenerate

endmodule

`default_nettype wire
