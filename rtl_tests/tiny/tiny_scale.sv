// y[c] = (x[c] * mul[c] + add[c]) >> 4 of 32 channels, 8 a beat; x u8, mul i6, add i10, y i9.
`default_nettype none

module tiny_scale (
    input  wire        clk,
    input  wire        rst,
    input  wire [63:0] s_axis_tdata,
    input  wire        s_axis_tvalid,
    output wire        s_axis_tready,
    output reg  [71:0] m_axis_tdata,
    output reg         m_axis_tvalid,
    input  wire        m_axis_tready
);
    reg [47:0] mul [0:3];
    reg [79:0] add [0:3];
    initial $readmemh("scale_mul.mem", mul);
    initial $readmemh("scale_add.mem", add);

    reg  [1:0]  beat_q;
    wire [47:0] muls = mul[beat_q];
    wire [79:0] adds = add[beat_q];
    wire [71:0] y;

    genvar i;
    generate
        for (i = 0; i < 8; i = i + 1) begin : g_lane
            wire signed [8:0]  x   = {1'b0, s_axis_tdata[8*i +: 8]};
            wire signed [5:0]  m   = muls[6*i +: 6];
            wire signed [9:0]  a   = adds[10*i +: 10];
            wire signed [15:0] sum = 16'(x * m) + 16'(a);
            assign y[9*i +: 9] = 9'(sum >>> 4);
        end
    endgenerate

    assign s_axis_tready = !m_axis_tvalid || m_axis_tready;
    always @(posedge clk) begin
        if (s_axis_tready) begin
            m_axis_tvalid <= s_axis_tvalid;
            m_axis_tdata  <= y;
            if (s_axis_tvalid) beat_q <= beat_q + 2'd1;
        end
        if (rst) begin
            m_axis_tvalid <= 1'b0;
            beat_q        <= 2'd0;
        end
    end
endmodule

`default_nettype wire
