// depthwise.h: sums of products of each channel with its own weights, PE channels side by side.
//
// A window of PE channels is BEATS beats of TAPS taps each, all PE channels of a tap together. There
// are GROUPS words of channels; word group * BEATS + beat of rom has the weights of a beat.
// C: X, Y, X_W, Y_W, PE, TAPS (in a beat), BEATS, VECTORS, GROUPS, KIND, CODES, W_B, W_SIGNED, ACC,
//    REACH.
#ifndef GS_DEPTHWISE_H
#define GS_DEPTHWISE_H

#include "dense.h"

namespace gs {

template <class C, class T, int R, int K>
void depthwise(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
               const T (&rom)[R][K]) {
#pragma HLS ARRAY_RESHAPE variable=rom complete dim=2
    typedef typename Accumulator<C::ACC, C::REACH>::t sum_t;

    sum_t sums[C::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete
    int word = 0;

    for (int vector = 0; vector < C::VECTORS; vector++) {
        for (int beat = 0; beat < C::BEATS; beat++) {
#pragma HLS PIPELINE II=1
            typename Operand<C>::t x[C::TAPS * C::PE];
#pragma HLS ARRAY_PARTITION variable=x complete
            typename CodeType<C::W_SIGNED, C::W_B>::t w[C::TAPS * C::PE];
#pragma HLS ARRAY_PARTITION variable=w complete
            operands<C>(s.read(), x);
            fetch<C::W_B, C::W_SIGNED>(rom[word], w);
            word = word == R - 1 ? 0 : word + 1;
            for (int p = 0; p < C::PE; p++) {
#pragma HLS UNROLL
                sum_t sum = 0;
                for (int tap = 0; tap < C::TAPS; tap++) {
#pragma HLS UNROLL
                    sum += Term<C::KIND, sum_t>::of(x[tap * C::PE + p], w[tap * C::PE + p]);
                }
                sums[p] = beat == 0 ? sum : sum_t(sums[p] + sum);
            }
            if (beat == C::BEATS - 1) {
                ap_uint<C::Y_W> out;
                pack<typename C::Y>(sums, out);
                m.write(out);
            }
        }
    }
}

}  // namespace gs

#endif
