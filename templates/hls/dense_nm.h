// dense_nm.h: as dense.h, with weights of which each OF neighbours have KEPT at most.
//
// A word holds for each output and each OF inputs KEPT weights, above each the offset of its input:
// weight k of a group is for input k + offset.
// C: as in dense.h, with SIMD multipliers for LANES inputs; KEPT, OF, OFFSET_B.
#ifndef GS_DENSE_NM_H
#define GS_DENSE_NM_H

#include "dense.h"

namespace gs {

template <class C, class T, int R, int K>
void dense_nm(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
              const T (&rom)[R][K]) {
#pragma HLS ARRAY_RESHAPE variable=rom complete dim=2
    typedef typename Accumulator<C::ACC, C::REACH>::t sum_t;

    ap_uint<C::X_W> kept[C::SF];  // the vector, for the passes behind the first
    sum_t sums[C::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete
    int word = 0;  // (group * NF + pass) * SF + beat

    for (int vector = 0; vector < C::VECTORS; vector++) {
        for (int pass = 0; pass < C::NF; pass++) {
            for (int beat = 0; beat < C::SF; beat++) {
#pragma HLS PIPELINE II=1
                if (pass == 0) kept[beat] = s.read();
                typename Operand<C>::t x[C::LANES];
#pragma HLS ARRAY_PARTITION variable=x complete
                typename Integers<C::W_B + C::OFFSET_B>::u entry[C::PE * C::SIMD];
#pragma HLS ARRAY_PARTITION variable=entry complete
                operands<C>(kept[beat], x);
                fetch<C::W_B + C::OFFSET_B, false>(rom[word], entry);
                for (int p = 0; p < C::PE; p++) {
#pragma HLS UNROLL
                    sum_t sum = 0;
                    for (int i = 0; i < C::SIMD; i++) {
#pragma HLS UNROLL
                        const u64 e = u64(entry[p * C::SIMD + i]);
                        const int from = i / C::KEPT * C::OF + i % C::KEPT + int(e >> C::W_B);
                        const typename CodeType<C::W_SIGNED, C::W_B>::t w =
                            typename CodeType<C::W_SIGNED, C::W_B>::t(extended(low_bits(e, C::W_B), C::W_B, C::W_SIGNED));
                        sum += Term<C::KIND, sum_t>::of(x[from], w);
                    }
                    sums[p] = beat == 0 ? sum : sum_t(sums[p] + sum);
                }
                if (beat == C::SF - 1) {
                    ap_uint<C::Y_W> out;
                    pack<typename C::Y>(sums, out);
                    m.write(out);
                }
                word = word == C::DEPTH - 1 ? 0 : word + 1;
            }
        }
    }
}

}  // namespace gs

#endif
