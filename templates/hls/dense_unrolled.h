// dense_unrolled.h: a matrix-vector product with weights that are wires, a vector a cycle.
//
// Every element of rom becomes a constant, every product a few adders or nothing.
// C: as in dense.h, PE all outputs and SIMD all inputs.
#ifndef GS_DENSE_UNROLLED_H
#define GS_DENSE_UNROLLED_H

#include "dense.h"

namespace gs {

template <class C, class T, int R, int K>
void dense_unrolled(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
                    const T (&rom)[R][K]) {
#pragma HLS ARRAY_PARTITION variable=rom complete dim=0
    typedef typename Accumulator<C::ACC, C::REACH>::t sum_t;
    typedef typename CodeType<C::W_SIGNED, C::W_B>::t weight_t;

    for (int vector = 0; vector < C::VECTORS; vector++) {
#pragma HLS PIPELINE II=1
        typename Operand<C>::t x[C::SIMD];
#pragma HLS ARRAY_PARTITION variable=x complete
        sum_t sums[C::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete
        operands<C>(s.read(), x);
        for (int p = 0; p < C::PE; p++) {
#pragma HLS UNROLL
            weight_t w[C::SIMD];
#pragma HLS ARRAY_PARTITION variable=w complete
            fetch<C::W_B, C::W_SIGNED>(rom[p], w);
            sum_t sum = 0;
            for (int i = 0; i < C::SIMD; i++) {
#pragma HLS UNROLL
                sum += Term<C::KIND, sum_t>::of(x[i], w[i]);
            }
            sums[p] = sum;
        }
        ap_uint<C::Y_W> out;
        pack<typename C::Y>(sums, out);
        m.write(out);
    }
}

}  // namespace gs

#endif
