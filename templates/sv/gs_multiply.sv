// gs_multiply: product of two numbers in LUTs, whatever the tool would take a DSP block for.
//
//     y = a * b modulo 2**Y_W
//
// Let b be the narrower one: it is cut into digits of DIGIT bits. A digit's product is that many
// rows of A_W + 1 bits, each one carry chain on top of the row before; it is registered. Where b has
// several digits their products are added behind that, and registered again. Latency ceil(B_W /
// DIGIT) > 1 ? 2 : 1 cycles in which step is high.

`default_nettype none

module gs_multiply #(
    parameter int A_W      = 8,     // bits of a
    parameter int B_W      = 4,     // bits of b, 2 or more
    parameter int Y_W      = 12,    // bits of the product, at most A_W + B_W
    parameter bit A_SIGNED = 1'b1,  // a is two's complement
    parameter bit B_SIGNED = 1'b1,
    parameter int DIGIT    = 4      // bits of b in a row of carry chains: logic depth
) (
    input  wire logic           clk,
    input  wire logic           step,  // move every register
    input  wire logic [A_W-1:0] a,
    input  wire logic [B_W-1:0] b,
    output wire logic [Y_W-1:0] y
);

    localparam int DIGITS = (B_W + DIGIT - 1) / DIGIT;

    generate
        for (genvar d = 0; d < DIGITS; d++) begin : g_digit
            localparam int LOW  = d * DIGIT;
            localparam int BITS = B_W - LOW < DIGIT ? B_W - LOW : DIGIT;
            localparam bit TOP  = B_SIGNED && d == DIGITS - 1;  // its highest bit counts negative

            logic signed [A_W:0]   wide;
            logic [A_W+BITS-1:0]   product;
            logic [A_W+BITS-1:0]   product_q;

            assign wide = $signed({A_SIGNED && a[A_W-1], a});

            for (genvar r = 0; r < BITS; r++) begin : g_row
                logic signed [A_W:0] part, above, sum;

                assign part = b[LOW+r] ? wide : '0;
                if (r == 0) begin : g_above
                    assign above = '0;
                end else begin : g_above
                    assign above = $signed(
                        {A_SIGNED && g_row[r-1].sum[A_W], g_row[r-1].sum[A_W:1]});
                end
                if (TOP && r == BITS - 1) begin : g_sum
                    assign sum = above - part;
                end else begin : g_sum
                    assign sum = above + part;
                end
                if (r < BITS - 1) begin : g_out
                    assign product[r] = sum[0];
                end else begin : g_out
                    assign product[A_W+BITS-1:BITS-1] = sum;
                end
            end

            always_ff @(posedge clk) begin
                if (step) product_q <= product;
            end
        end

        if (DIGITS == 1) begin : g_y
            assign y = Y_W'(g_digit[0].product_q);

            logic unused_ok;  // bits above Y_W
            assign unused_ok = &{1'b0, g_digit[0].product_q};
        end else begin : g_y
            // The digits so far, and above them the next: the bits below it are not added to.
            for (genvar d = 0; d < DIGITS; d++) begin : g_sum
                localparam int LOW  = d * DIGIT;
                localparam int BITS = B_W - LOW < DIGIT ? B_W - LOW : DIGIT;
                logic [A_W+LOW+BITS-1:0] sum;

                if (d == 0) begin : g_first
                    assign sum = g_digit[0].product_q;
                end else begin : g_more
                    logic [A_W+BITS-1:0] above;
                    assign above = (A_W + BITS)'($signed({A_SIGNED && g_sum[d-1].sum[A_W+LOW-1],
                                                          g_sum[d-1].sum[A_W+LOW-1:LOW]}));
                    assign sum = {above + g_digit[d].product_q, g_sum[d-1].sum[LOW-1:0]};
                end
            end

            logic [Y_W-1:0] y_q;
            always_ff @(posedge clk) begin
                if (step) y_q <= Y_W'(g_sum[DIGITS-1].sum);
            end
            assign y = y_q;

            logic unused_ok;
            assign unused_ok = &{1'b0, g_sum[DIGITS-1].sum};
        end
    endgenerate

endmodule

`default_nettype wire
