// gs_adder_tree: sum of TERMS numbers, a register every two adders.
//
//     sum = terms[0] + terms[1] + ... modulo 2**SUM_W
//
// A level adds four numbers, two adders deep; the first level of single bits counts eight, or six,
// which is one LUT a bit of the count. Latency is the number of levels, in cycles in which step is
// high; one term is a wire. No level is wider than SUM_W. The two adders in a row have names of
// their own, and exact widths: put together in one expression they become a carry-save adder, which
// takes twice the LUTs of two carry chains.
// Use `+` for a sum of two; use this where a flat sum would be one long path.

`default_nettype none

module gs_adder_tree #(
    parameter int TERMS  = 8,
    parameter int TERM_W = 1,     // bits of one term
    parameter int SUM_W  = 4,     // bits of the sum, at least TERM_W
    parameter bit SIGNED = 1'b0,  // terms are two's complement
    parameter bit BY_SIX = 1'b0   // count single bits six at a time, not eight: fewer 6-input LUTs
) (
    input  wire logic                    clk,
    input  wire logic                    step,   // move every register
    input  wire logic [TERMS*TERM_W-1:0] terms,
    output wire logic [SUM_W-1:0]        sum
);

    localparam bit BITS   = TERM_W == 1 && !SIGNED;
    localparam bit SIX    = BITS && BY_SIX;
    localparam int FIRST  = SIX ? 6 : BITS ? 8 : 4;  // terms that the first level adds up
    localparam int WIDER  = BITS && !SIX ? 3 : 2;    // bits by which its sums are wider
    localparam int LEVELS = int'(TERMS > 1) + int'(TERMS > FIRST)
        + int'(TERMS > FIRST << 2) + int'(TERMS > FIRST << 4)
        + int'(TERMS > FIRST << 6) + int'(TERMS > FIRST << 8)
        + int'(TERMS > FIRST << 10) + int'(TERMS > FIRST << 12)
        + int'(TERMS > FIRST << 14) + int'(TERMS > FIRST << 16);

    // Bits of the number of ones in six: a LUT each.
    localparam logic [63:0] ONES_0 = 64'h6996_9669_9669_6996;
    localparam logic [63:0] ONES_1 = 64'h8117_177e_177e_7ee8;
    localparam logic [63:0] ONES_2 = 64'hfee8_e880_e880_8000;

    function automatic logic [2:0] ones_of_six(input logic [5:0] six);
        ones_of_six = {ONES_2[six], ONES_1[six], ONES_0[six]};
    endfunction

    generate
        for (genvar l = 0; l < LEVELS; l++) begin : g_level
            localparam int DONE   = l == 0 ? 1 : FIRST << (2 * (l - 1));  // terms in one
            localparam int MORE   = l == 0 ? 0 : WIDER + 2 * (l - 1);     // bits more than TERM_W
            localparam int FROM   = (TERMS + DONE - 1) / DONE;
            localparam int FANIN  = l == 0 ? FIRST : 4;
            localparam int TO     = (FROM + FANIN - 1) / FANIN;
            localparam int FROM_W = TERM_W + MORE < SUM_W ? TERM_W + MORE : SUM_W;
            localparam int PAIR_W = FROM_W + 1 < SUM_W ? FROM_W + 1 : SUM_W;
            localparam int TO_W   = TERM_W + WIDER + 2 * l < SUM_W ? TERM_W + WIDER + 2 * l : SUM_W;

            wire logic [TO*FANIN*FROM_W-1:0] from;  // filled up with zeros to whole groups
            logic      [TO*TO_W-1:0]         sum_q;

            if (l == 0) begin : g_from
                assign from = (TO * FANIN * FROM_W)'(terms);
            end else begin : g_from
                assign from = (TO * FANIN * FROM_W)'(g_level[l-1].sum_q);
            end

            if (l == 0 && BITS) begin : g_popcount
                always_ff @(posedge clk) begin
                    if (step) begin
                        for (int t = 0; t < TO; t++) begin
                            sum_q[t*TO_W+:TO_W] <= SIX ? TO_W'(ones_of_six(from[t*FIRST+:6]))
                                                       : TO_W'($countones(from[t*FIRST+:FIRST]));
                        end
                    end
                end
            end else begin : g_add
                for (genvar t = 0; t < TO; t++) begin : g_sum
                    logic [PAIR_W-1:0] a, b, c, d, left, right;
                    logic [TO_W-1:0]   left_wide, right_wide;

                    assign a = PAIR_W'($signed({SIGNED && from[(t*4+0)*FROM_W+FROM_W-1],
                                                from[(t*4+0)*FROM_W+:FROM_W]}));
                    assign b = PAIR_W'($signed({SIGNED && from[(t*4+1)*FROM_W+FROM_W-1],
                                                from[(t*4+1)*FROM_W+:FROM_W]}));
                    assign c = PAIR_W'($signed({SIGNED && from[(t*4+2)*FROM_W+FROM_W-1],
                                                from[(t*4+2)*FROM_W+:FROM_W]}));
                    assign d = PAIR_W'($signed({SIGNED && from[(t*4+3)*FROM_W+FROM_W-1],
                                                from[(t*4+3)*FROM_W+:FROM_W]}));
                    assign left       = a + b;
                    assign right      = c + d;
                    assign left_wide  = TO_W'($signed({SIGNED && left[PAIR_W-1], left}));
                    assign right_wide = TO_W'($signed({SIGNED && right[PAIR_W-1], right}));

                    always_ff @(posedge clk) begin
                        if (step) sum_q[t*TO_W+:TO_W] <= left_wide + right_wide;
                    end
                end
            end
        end

        if (LEVELS == 0) begin : g_sum
            logic unused_ok;
            assign unused_ok = &{1'b0, clk, step};
            assign sum = SUM_W'($signed({SIGNED && terms[TERM_W-1], terms[TERM_W-1:0]}));
        end else begin : g_sum
            localparam int MORE  = WIDER + 2 * (LEVELS - 1);
            localparam int TOP_W = TERM_W + MORE < SUM_W ? TERM_W + MORE : SUM_W;
            assign sum = SUM_W'(
                $signed({SIGNED && g_level[LEVELS-1].sum_q[TOP_W-1], g_level[LEVELS-1].sum_q}));
        end
    endgenerate

endmodule

`default_nettype wire
