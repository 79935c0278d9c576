// requantize_per_channel: i20 -> i8, 2 element(s) a beat, one beat a cycle, latency 4.
//
//     y = clamp((x * mul + add) >>> SHIFT, LO, HI)
//
// From ONNX: /per_channel
// Made by gatesmith from templates/sv/requantize.sv.j2; change the template, not this file.

`default_nettype none

module requantize_per_channel #(
    localparam int LANES = 2,  // elements in a beat
    localparam int X_W   = 20,
    localparam int P_W   = 34,  // holds x * mul, x * mul + add, and add
    localparam int S_W   = 18,  // holds the shifted sum and the limits
    localparam int Y_W   = 8,
    localparam int DEPTH = 3,  // beats until mul and add repeat
    localparam int R_W   = 33,  // bits of mul and add of one element
    localparam int SHIFT = 16
) (
    input  wire logic                 clk,
    input  wire logic                 rst,            // synchronous, active high

    // x: AXI4-Stream
    input  wire logic [LANES*X_W-1:0] s_axis_tdata,
    input  wire logic                 s_axis_tvalid,
    output wire logic                 s_axis_tready,

    // y: AXI4-Stream
    output wire logic [LANES*Y_W-1:0] m_axis_tdata,
    output wire logic                 m_axis_tvalid,
    input  wire logic                 m_axis_tready
);

    localparam int DELAY = 4;

    logic             step;  // the whole pipeline moves: its output is empty, or taken now
    logic [DELAY-1:0] valid_q;

    assign step = !valid_q[DELAY-1] || m_axis_tready;

    always_ff @(posedge clk) begin
        if (step) valid_q <= DELAY'({valid_q, s_axis_tvalid});
        if (rst) valid_q <= '0;
    end

    logic [LANES*X_W-1:0] x;

    // Word: beat of the vector. Element l at bit l * R_W: mul, above it add.
    logic [LANES*R_W-1:0] rom [0:DEPTH-1];
    logic [LANES*R_W-1:0] word;

    initial $readmemh("requantize_per_channel_params.mem", rom);

    logic [$clog2(DEPTH)-1:0] address_q;

    always_ff @(posedge clk) begin
        if (step) begin
            word <= rom[address_q];
            x    <= s_axis_tdata;
        end
        if (step && s_axis_tvalid) begin
            address_q <= address_q == ($clog2(DEPTH))'(DEPTH - 1) ? '0 : address_q + 1'b1;
        end
        if (rst) address_q <= '0;
    end

    generate
        for (genvar l = 0; l < LANES; l++) begin : g_lane
            // Operands of the multiplication: x as a signed number, and its constants.
            logic signed [P_W-1:0] x_wide, product, total;
            logic        [Y_W-1:0] y_q;

            assign x_wide = P_W'($signed({x[l*X_W+X_W-1], x[l*X_W+:X_W]}));

            logic signed [P_W-1:0] mul;
            assign mul = P_W'($signed(word[l*R_W+:15]));

            always_ff @(posedge clk) begin
                if (step) product <= x_wide * mul;
            end

            logic signed [P_W-1:0] add;
            always_ff @(posedge clk) begin
                if (step) add <= P_W'($signed(word[l*R_W+15+:18]));
            end
            assign total = product + add;

            logic signed [S_W-1:0] shifted;
            always_ff @(posedge clk) begin
                if (step) shifted <= S_W'(total >>> SHIFT);
            end

            always_ff @(posedge clk) begin
                if (step) begin
                    y_q <= Y_W'(shifted);
                    if (shifted < -18'sd128) y_q <= Y_W'(-18'sd128);
                    if (shifted > 18'sd127) y_q <= Y_W'(18'sd127);
                end
            end

            assign m_axis_tdata[l*Y_W+:Y_W] = y_q;
        end
    endgenerate

    assign s_axis_tready = step;
    assign m_axis_tvalid = valid_q[DELAY-1];

`ifdef GATESMITH_ASSERT
    m_axis_holds: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
    m_axis_empty: assert property (@(posedge clk) rst |=> !m_axis_tvalid);
    m_axis_waits: assert property (@(posedge clk) disable iff (rst)
        !step |=> $past(m_axis_tvalid && !m_axis_tready));
`endif

endmodule

`default_nettype wire
