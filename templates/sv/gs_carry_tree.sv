// gs_carry_tree: sum of TERMS signed numbers and of as many single bits.
//
//     sum + carry = terms[0] + bits[0] + terms[1] + bits[1] + ... modulo 2**SUM_W
//
// As gs_adder_tree, of four terms a level. Each adder takes one of the bits as its carry in, so that
// they cost nothing but a place in its chain; the one that is left is handed on. One term is a wire.

`default_nettype none

module gs_carry_tree #(
    parameter int TERMS  = 8,
    parameter int TERM_W = 8,  // bits of one term, two's complement
    parameter int SUM_W  = 11  // bits of the sum, at least TERM_W
) (
    input  wire logic                    clk,
    input  wire logic                    step,   // move every register
    input  wire logic [TERMS*TERM_W-1:0] terms,
    input  wire logic [TERMS-1:0]        bits,
    output wire logic [SUM_W-1:0]        sum,
    output wire logic                    carry
);

    localparam int LEVELS = int'(TERMS > 1) + int'(TERMS > 4) + int'(TERMS > 16)
        + int'(TERMS > 64) + int'(TERMS > 256) + int'(TERMS > 1024) + int'(TERMS > 4096)
        + int'(TERMS > 16384) + int'(TERMS > 65536) + int'(TERMS > 262144);

    generate
        for (genvar l = 0; l < LEVELS; l++) begin : g_level
            localparam int FROM   = (TERMS + (1 << (2 * l)) - 1) >> (2 * l);
            localparam int TO     = (FROM + 3) / 4;
            localparam int FROM_W = TERM_W + 2 * l < SUM_W ? TERM_W + 2 * l : SUM_W;
            localparam int PAIR_W = FROM_W + 1 < SUM_W ? FROM_W + 1 : SUM_W;
            localparam int TO_W   = FROM_W + 2 < SUM_W ? FROM_W + 2 : SUM_W;

            wire logic [TO*4*FROM_W-1:0] from;  // filled up with zeros to whole groups of four
            wire logic [TO*4-1:0]        with_bits;
            logic      [TO*TO_W-1:0]     sum_q;
            logic      [TO-1:0]          bit_q;

            if (l == 0) begin : g_from
                assign from      = (TO * 4 * FROM_W)'(terms);
                assign with_bits = (TO * 4)'(bits);
            end else begin : g_from
                assign from      = (TO * 4 * FROM_W)'(g_level[l-1].sum_q);
                assign with_bits = (TO * 4)'(g_level[l-1].bit_q);
            end

            for (genvar t = 0; t < TO; t++) begin : g_sum
                // Each number has one bit more below: 1 + bit carries into the number.
                logic [PAIR_W:0] a, b, c, d, left, right;
                logic [TO_W:0]   left_wide, right_wide, both;

                assign a = {PAIR_W'($signed(from[(t*4+0)*FROM_W+:FROM_W])), 1'b1};
                assign b = {PAIR_W'($signed(from[(t*4+1)*FROM_W+:FROM_W])), with_bits[t*4]};
                assign c = {PAIR_W'($signed(from[(t*4+2)*FROM_W+:FROM_W])), 1'b1};
                assign d = {PAIR_W'($signed(from[(t*4+3)*FROM_W+:FROM_W])), with_bits[t*4+1]};
                assign left       = a + b;
                assign right      = c + d;
                assign left_wide  = {TO_W'($signed(left[PAIR_W:1])), 1'b1};
                assign right_wide = {TO_W'($signed(right[PAIR_W:1])), with_bits[t*4+2]};
                assign both       = left_wide + right_wide;

                logic unused_ok;
                assign unused_ok = &{1'b0, left[0], right[0], both[0]};

                always_ff @(posedge clk) begin
                    if (step) begin
                        sum_q[t*TO_W+:TO_W] <= both[TO_W:1];
                        bit_q[t]            <= with_bits[t*4+3];
                    end
                end
            end
        end

        if (LEVELS == 0) begin : g_sum
            logic unused_ok;
            assign unused_ok = &{1'b0, clk, step};
            assign sum   = SUM_W'($signed(terms));
            assign carry = bits[0];
        end else begin : g_sum
            assign sum   = SUM_W'($signed(g_level[LEVELS-1].sum_q));
            assign carry = g_level[LEVELS-1].bit_q[0];
        end
    endgenerate

endmodule

`default_nettype wire
