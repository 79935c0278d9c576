// gs_reload_port: reads, writes and sums up the memories of a core, a word of 32 bits at a time.
//
// An access goes to the word at `address` and moves on: to the next 32 bits of the same word of the
// memory, then to the next word. Only while `allowed` is high: the core is drained and its input
// shut. Anything else is refused and told, and reads as 0. `start` sums up a whole memory: CRC-32 of
// IEEE 802.3 over its words of 32 bits, least significant byte first.

`default_nettype none

module gs_reload_port #(
    parameter int WORD_W  = 8,   // bits of the address of a word of a memory
    parameter int CHUNK_W = 1    // bits of the number of 32 bits of a word
) (
    input  wire logic               clk,
    input  wire logic               rst,            // synchronous, active high
    input  wire logic               allowed,

    // Of the memory that is meant: words, and 32 bits in a word; no words where there is none
    input  wire logic [31:0]        depth,
    input  wire logic [31:0]        chunks,

    // Registers
    input  wire logic               set_memory,
    input  wire logic               set_address,
    input  wire logic               write,
    input  wire logic               start,
    input  wire logic [31:0]        data,
    output wire logic [15:0]        memory,
    output wire logic [31:0]        address,
    output wire logic               busy,           // no write is taken
    input  wire logic               read,           // held until read_done
    output wire logic               read_done,
    output wire logic [31:0]        read_data,
    output wire logic               summing,
    output wire logic [31:0]        crc,
    output wire logic               refused,        // an access that is not allowed now
    output wire logic               beyond,         // an access behind the end of a memory

    // Memories
    output wire logic               reload,         // they are read and written from here
    output wire logic               reload_write,
    output wire logic [WORD_W-1:0]  reload_word,
    output wire logic [CHUNK_W-1:0] reload_chunk,
    output wire logic [31:0]        reload_data,
    input  wire logic [31:0]        reload_read
);

    localparam logic [2:0] IDLE = 3'd0, STORE = 3'd1, FETCH = 3'd2, NEXT = 3'd3, SUM = 3'd4;
    localparam logic [1:0] READ = 2'd3;   // cycles in FETCH: address, memory, choice of 32 bits

    logic [2:0]  state_q;
    logic [1:0]  count_q;
    logic [15:0] memory_q;
    logic [31:0] word_q, chunk_q, data_q, crc_q, sum_q;
    logic        summing_q, done_q;
    logic        in_range, may, last_chunk, last_word;

    assign in_range     = word_q < depth;
    assign may        = allowed && !summing_q;
    assign last_chunk = chunk_q + 32'd1 == chunks;
    assign last_word  = word_q + 32'd1 == depth;

    // Writes are single cycles while not busy; a read waits.
    logic idle, accesses, wants_read, bad;
    assign idle       = state_q == IDLE;
    assign busy       = !idle && !summing_q;
    assign accesses   = set_memory || set_address || write || start;
    assign wants_read = read && !done_q && !accesses;
    assign refused    = !may && (accesses || (wants_read && bad));
    assign beyond     = may && !in_range && (write || (wants_read && idle));
    assign bad        = idle ? (!may || !in_range) : summing_q;

    function automatic logic [31:0] crc_byte(input logic [31:0] sum, input logic [7:0] value);
        crc_byte = sum ^ {24'd0, value};
        for (int k = 0; k < 8; k++) begin
            crc_byte = (crc_byte >> 1) ^ (crc_byte[0] ? 32'hEDB88320 : 32'd0);
        end
    endfunction

    always_ff @(posedge clk) begin
        done_q <= 1'b0;
        case (state_q)
            IDLE: begin
                count_q <= '0;
                if (set_memory && may) begin
                    memory_q <= data[15:0];
                    word_q   <= '0;
                    chunk_q  <= '0;
                end else if (set_address && may) begin
                    word_q  <= data;
                    chunk_q <= '0;
                end else if (write && may && in_range) begin
                    data_q  <= data;
                    state_q <= STORE;
                end else if (start && may) begin
                    word_q    <= '0;
                    chunk_q   <= '0;
                    sum_q     <= '1;
                    summing_q <= 1'b1;
                    state_q   <= depth == '0 ? NEXT : FETCH;
                end else if (wants_read && !bad) begin
                    state_q <= FETCH;
                end
            end
            STORE: state_q <= NEXT;
            FETCH: begin
                count_q <= count_q + 1'b1;
                if (count_q == READ) begin
                    data_q  <= reload_read;
                    done_q  <= !summing_q;
                    state_q <= summing_q ? SUM : NEXT;
                end
            end
            SUM: begin
                count_q <= count_q + 1'b1;
                sum_q   <= crc_byte(sum_q, data_q[7:0]);
                data_q  <= {8'd0, data_q[31:8]};
                if (count_q == 2'd3) state_q <= NEXT;
            end
            default: begin  // NEXT
                chunk_q <= last_chunk ? '0 : chunk_q + 1'b1;
                if (last_chunk) word_q <= word_q + 1'b1;
                state_q <= summing_q ? FETCH : IDLE;
                if (summing_q && ((last_chunk && last_word) || depth == '0)) begin
                    crc_q     <= ~sum_q;
                    summing_q <= 1'b0;
                    word_q    <= '0;
                    chunk_q   <= '0;
                    state_q   <= IDLE;
                end
            end
        endcase
        if (wants_read && bad) begin
            if (!summing_q) data_q <= '0;  // else it is what is being summed up
            done_q <= 1'b1;
        end
        if (rst) begin
            state_q   <= IDLE;
            count_q   <= '0;
            memory_q  <= '0;
            word_q    <= '0;
            chunk_q   <= '0;
            summing_q <= 1'b0;
            done_q    <= 1'b0;
            crc_q     <= '0;
        end
    end

    assign memory       = memory_q;
    assign address      = word_q;
    assign read_done    = done_q;
    assign read_data    = summing_q ? '0 : data_q;
    assign summing      = summing_q;
    assign crc          = crc_q;
    assign reload       = state_q == STORE || state_q == FETCH;
    assign reload_write = state_q == STORE;
    assign reload_word  = word_q[WORD_W-1:0];
    assign reload_chunk = chunk_q[CHUNK_W-1:0];
    assign reload_data  = data_q;

endmodule

`default_nettype wire
