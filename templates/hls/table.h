// table.h: a look-up for each lane.
//
// Row lane * TABLES + table of rom has a result for every pattern of bits of a code; table is the beat
// modulo TABLES. With LANES_OF_ROM 1 all lanes share their rows.
// C: X (its codes taken as bits), Y, X_W, Y_W, LANES, BEATS, TABLES, LANES_OF_ROM.
#ifndef GS_TABLE_H
#define GS_TABLE_H

#include "types.h"

namespace gs {

template <class C, class T, int R, int K>
void table(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
           const T (&rom)[R][K]) {
    int number = 0;
    for (int beat = 0; beat < C::BEATS; beat++) {
#pragma HLS PIPELINE II=1
        typename C::X::code_t x[C::LANES];
#pragma HLS ARRAY_PARTITION variable=x complete
        typename C::Y::code_t y[C::LANES];
#pragma HLS ARRAY_PARTITION variable=y complete
        unpack<typename C::X>(s.read(), x);
        for (int l = 0; l < C::LANES; l++) {
#pragma HLS UNROLL
            const int row = (C::LANES_OF_ROM == 1 ? 0 : l) * C::TABLES + number;
            y[l] = typename C::Y::code_t(rom[row][int(x[l])]);
        }
        ap_uint<C::Y_W> out;
        pack<typename C::Y>(y, out);
        m.write(out);
        number = number == C::TABLES - 1 ? 0 : number + 1;
    }
}

}  // namespace gs

#endif
