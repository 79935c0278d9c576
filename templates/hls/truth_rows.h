// truth_rows.h: bits that are functions of a few bits each.
//
// Function f reads the bits wires[f][0..N-1] of a vector, the first as the highest bit of a number k,
// and is bit k % T_B of word k / T_B of its table; bit i of y is function places[0][i].
// C: XB, YB (single bits), X_W, Y_W, VECTORS, T_B.
#ifndef GS_TRUTH_ROWS_H
#define GS_TRUTH_ROWS_H

#include "types.h"

namespace gs {

template <class C, class W, class T, class P, int F, int N, int K, int Y>
void truth_rows(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
                const W (&wires)[F][N], const T (&tables)[F][K], const P (&places)[1][Y]) {
#pragma HLS ARRAY_PARTITION variable=wires complete dim=0
#pragma HLS ARRAY_PARTITION variable=tables complete dim=0
#pragma HLS ARRAY_PARTITION variable=places complete dim=0
    for (int vector = 0; vector < C::VECTORS; vector++) {
#pragma HLS PIPELINE II=1
        typename C::XB::code_t x[C::X_W];
#pragma HLS ARRAY_PARTITION variable=x complete
        typename C::YB::code_t found[F];
#pragma HLS ARRAY_PARTITION variable=found complete
        typename C::YB::code_t y[Y];
#pragma HLS ARRAY_PARTITION variable=y complete
        unpack<typename C::XB>(s.read(), x);
        for (int f = 0; f < F; f++) {
#pragma HLS UNROLL
            int word = 0;
            for (int n = 0; n < N; n++) {
#pragma HLS UNROLL
                word = (word << 1) | int(x[wires[f][n]]);
            }
            found[f] = typename C::YB::code_t((tables[f][word / C::T_B] >> (word % C::T_B)) & 1);
        }
        for (int i = 0; i < Y; i++) {
#pragma HLS UNROLL
            y[i] = found[places[0][i]];
        }
        ap_uint<C::Y_W> out;
        pack<typename C::YB>(y, out);
        m.write(out);
    }
}

}  // namespace gs

#endif
