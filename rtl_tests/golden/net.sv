// net: net.onnx
//
//     in   30 x bipolar a frame, 10 a beat, 3 beat(s)
//     out  6 x i6[-29..29] a frame, 3 a beat, 2 beat(s)
//
// One frame every 9 cycles when no side stalls. Element i of a beat is the code of its type on
// tdata[i*bits +: bits]; tdata is filled up with zeros to whole bytes.
//
//     interval  lanes in -> out  stage
//            9          10 -> 4  fc1 (net_fc1): u5[-30..30 by 2], from /fc1
//            3           4 -> 4  act (net_act): bipolar, from /sign
//            3           4 -> 4  act_skid (gs_skid_buffer): bipolar, from none
//            3           4 -> 6  wider (gs_width_converter): bipolar, from none
//            4           6 -> 3  fc2 (net_fc2): i6[-29..29], from /fc2
//
// Made by gatesmith from templates/sv/top.sv.j2; change the template, not this file.

`default_nettype none

module net (
    input  wire logic        aclk,
    input  wire logic        aresetn,        // synchronous, active low, two cycles or more

    // Frames in: AXI4-Stream; tlast with a frame's last beat
    input  wire logic [15:0] s_axis_tdata,
    input  wire logic        s_axis_tvalid,
    output wire logic        s_axis_tready,
    input  wire logic        s_axis_tlast,

    // Frames out: AXI4-Stream; tlast with a frame's last beat
    output wire logic [23:0] m_axis_tdata,
    output wire logic        m_axis_tvalid,
    input  wire logic        m_axis_tready,
    output wire logic        m_axis_tlast,

    // A tlast came early, late or not at all; stays until reset. Frames are counted, not cut.
    output wire logic        frame_error
);

    logic rst;

    always_ff @(posedge aclk) rst <= !aresetn;

    // ---- in ---------------------------------------------------------------------------------

    wire logic [9:0] x_tdata;
    wire logic x_tvalid, x_tready;
    logic      last_in, frame_error_q;

    assign x_tdata  = s_axis_tdata[9:0];
    assign x_tvalid = s_axis_tvalid && !rst;
    assign s_axis_tready = x_tready && !rst;

    logic unused_ok;
    assign unused_ok = &{1'b0, s_axis_tdata[15:10]};

    logic [1:0] in_q;  // beats of the frame taken in

    assign last_in = in_q == 2'd2;

    always_ff @(posedge aclk) begin
        if (x_tvalid && x_tready) in_q <= last_in ? '0 : in_q + 1'b1;
        if (rst) in_q <= '0;
    end

    always_ff @(posedge aclk) begin
        if (x_tvalid && x_tready && s_axis_tlast != last_in) frame_error_q <= 1'b1;
        if (rst) frame_error_q <= 1'b0;
    end

    assign frame_error = frame_error_q;

    // ---- fc1: 12 x 1 x u5[-30..30 by 2], 4 a beat; interval 9

    wire logic [19:0] fc1_tdata;
    wire logic fc1_tvalid, fc1_tready;

    net_fc1 u_fc1 (
        .clk(aclk), .rst(rst),
        .s_axis_tdata(x_tdata),
        .s_axis_tvalid(x_tvalid),
        .s_axis_tready(x_tready),
        .m_axis_tdata(fc1_tdata),
        .m_axis_tvalid(fc1_tvalid),
        .m_axis_tready(fc1_tready)
    );

    // ---- act: 12 x 1 x bipolar, 4 a beat; interval 3

    wire logic [3:0] act_tdata;
    wire logic act_tvalid, act_tready;

    net_act u_act (
        .clk(aclk), .rst(rst),
        .s_axis_tdata(fc1_tdata),
        .s_axis_tvalid(fc1_tvalid),
        .s_axis_tready(fc1_tready),
        .m_axis_tdata(act_tdata),
        .m_axis_tvalid(act_tvalid),
        .m_axis_tready(act_tready)
    );

    // ---- act_skid: 12 x 1 x bipolar, 4 a beat; interval 3

    wire logic [3:0] act_skid_tdata;
    wire logic act_skid_tvalid, act_skid_tready;

    gs_skid_buffer #(.W(4)) u_act_skid (
        .clk(aclk), .rst(rst),
        .s_axis_tdata(act_tdata),
        .s_axis_tvalid(act_tvalid),
        .s_axis_tready(act_tready),
        .m_axis_tdata(act_skid_tdata),
        .m_axis_tvalid(act_skid_tvalid),
        .m_axis_tready(act_skid_tready)
    );

    // ---- wider: 12 x 1 x bipolar, 6 a beat; interval 3

    wire logic [5:0] wider_tdata;
    wire logic wider_tvalid, wider_tready;

    gs_width_converter #(.W(2), .IN(2), .OUT(3)) u_wider (
        .clk(aclk), .rst(rst),
        .s_axis_tdata(act_skid_tdata),
        .s_axis_tvalid(act_skid_tvalid),
        .s_axis_tready(act_skid_tready),
        .m_axis_tdata(wider_tdata),
        .m_axis_tvalid(wider_tvalid),
        .m_axis_tready(wider_tready)
    );

    // ---- fc2: 6 x 1 x i6[-29..29], 3 a beat; interval 4

    wire logic [17:0] fc2_tdata;
    wire logic fc2_tvalid, fc2_tready;

    net_fc2 u_fc2 (
        .clk(aclk), .rst(rst),
        .s_axis_tdata(wider_tdata),
        .s_axis_tvalid(wider_tvalid),
        .s_axis_tready(wider_tready),
        .m_axis_tdata(fc2_tdata),
        .m_axis_tvalid(fc2_tvalid),
        .m_axis_tready(fc2_tready)
    );

    // ---- out --------------------------------------------------------------------------------

    assign m_axis_tdata  = {6'd0, fc2_tdata};
    assign m_axis_tvalid = fc2_tvalid;
    assign fc2_tready = m_axis_tready;

    logic [0:0] out_q;  // beats of the frame given out

    always_ff @(posedge aclk) begin
        if (m_axis_tvalid && m_axis_tready) out_q <= m_axis_tlast ? '0 : out_q + 1'b1;
        if (rst) out_q <= '0;
    end

    assign m_axis_tlast = out_q == 1'd1;

`ifdef GATESMITH_ASSERT
    m_axis_holds: assert property (@(posedge aclk) disable iff (rst)
        m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable({m_axis_tdata, m_axis_tlast}));
`endif

endmodule

`default_nettype wire
