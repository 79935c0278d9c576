// dense_skip.h: as dense.h, but beats of zeros are dropped: each pass reads only those that are kept.
//
// Of a vector of nothing but zeros the last beat is kept.
// C: as in dense.h; ZERO (code of 0).
#ifndef GS_DENSE_SKIP_H
#define GS_DENSE_SKIP_H

#include "dense.h"

namespace gs {

template <class C, class T, int R, int K>
void dense_skip(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
                const T (&rom)[R][K]) {
#pragma HLS ARRAY_RESHAPE variable=rom complete dim=2
    typedef typename Accumulator<C::ACC, C::REACH>::t sum_t;
    typedef typename CodeType<C::W_SIGNED, C::W_B>::t weight_t;

    ap_uint<C::X_W> kept[C::SF];
    int number[C::SF];  // place of each kept beat in the vector
    sum_t sums[C::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete
    int first_word = 0;  // of the pass

    for (int vector = 0; vector < C::VECTORS; vector++) {
        int count = 0;
        for (int beat = 0; beat < C::SF; beat++) {
#pragma HLS PIPELINE II=1
            const ap_uint<C::X_W> taken = s.read();
            typename C::X::code_t code[C::SIMD];
#pragma HLS ARRAY_PARTITION variable=code complete
            unpack<typename C::X>(taken, code);
            bool zero = true;
            for (int i = 0; i < C::SIMD; i++) {
#pragma HLS UNROLL
                if (code[i] != typename C::X::code_t(C::ZERO)) zero = false;
            }
            if (!zero || (beat == C::SF - 1 && count == 0)) {
                kept[count] = taken;
                number[count] = beat;
                count++;
            }
        }
        for (int pass = 0; pass < C::NF; pass++) {
            for (int n = 0; n < C::SF && n < count; n++) {
#pragma HLS PIPELINE II=1
                const int word = first_word + number[n];
                typename Operand<C>::t x[C::SIMD];
#pragma HLS ARRAY_PARTITION variable=x complete
                weight_t w[C::PE * C::SIMD];
#pragma HLS ARRAY_PARTITION variable=w complete
                operands<C>(kept[n], x);
                fetch<C::W_B, C::W_SIGNED>(rom[word], w);
                for (int p = 0; p < C::PE; p++) {
#pragma HLS UNROLL
                    sum_t sum = 0;
                    for (int i = 0; i < C::SIMD; i++) {
#pragma HLS UNROLL
                        sum += Term<C::KIND, sum_t>::of(x[i], w[p * C::SIMD + i]);
                    }
                    sums[p] = n == 0 ? sum : sum_t(sums[p] + sum);
                }
                if (n == count - 1) {
                    ap_uint<C::Y_W> out;
                    pack<typename C::Y>(sums, out);
                    m.write(out);
                }
            }
            first_word = first_word == C::DEPTH - C::SF ? 0 : first_word + C::SF;
        }
    }
}

}  // namespace gs

#endif
