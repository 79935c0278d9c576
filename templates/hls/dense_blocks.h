// dense_blocks.h: as dense.h, but blocks of PE x SIMD weights that are all zero have no word.
//
// order[word] is the beat that a word reads; above its BEAT_B bits 1 where it is the last word of its
// sum. counts[group] are the words of a group.
// C: as in dense.h; BEAT_B.
#ifndef GS_DENSE_BLOCKS_H
#define GS_DENSE_BLOCKS_H

#include "dense.h"

namespace gs {

template <class C, class T, int R, int K, class O, class N>
void dense_blocks(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m,
                  const T (&rom)[R][K], const O (&order)[R], const N (&counts)[C::GROUPS]) {
#pragma HLS ARRAY_RESHAPE variable=rom complete dim=2
    typedef typename Accumulator<C::ACC, C::REACH>::t sum_t;
    typedef typename CodeType<C::W_SIGNED, C::W_B>::t weight_t;

    ap_uint<C::X_W> kept[C::SF];
    sum_t sums[C::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete

    int word = 0, group = 0;
    for (int vector = 0; vector < C::VECTORS; vector++) {
        for (int beat = 0; beat < C::SF; beat++) {
#pragma HLS PIPELINE II=1
            kept[beat] = s.read();
        }
        if (group == 0) word = 0;
        const int count = int(counts[group]);
        group = group == C::GROUPS - 1 ? 0 : group + 1;
        bool first = true;
        for (int n = 0; n < C::DEPTH && n < count; n++) {
#pragma HLS PIPELINE II=1
            const u64 place = u64(order[word]);
            const bool last = (place >> C::BEAT_B) & 1;
            typename Operand<C>::t x[C::SIMD];
#pragma HLS ARRAY_PARTITION variable=x complete
            weight_t w[C::PE * C::SIMD];
#pragma HLS ARRAY_PARTITION variable=w complete
            operands<C>(kept[int(low_bits(place, C::BEAT_B))], x);
            fetch<C::W_B, C::W_SIGNED>(rom[word], w);
            for (int p = 0; p < C::PE; p++) {
#pragma HLS UNROLL
                sum_t sum = 0;
                for (int i = 0; i < C::SIMD; i++) {
#pragma HLS UNROLL
                    sum += Term<C::KIND, sum_t>::of(x[i], w[p * C::SIMD + i]);
                }
                sums[p] = first ? sum : sum_t(sums[p] + sum);
            }
            if (last) {
                ap_uint<C::Y_W> out;
                pack<typename C::Y>(sums, out);
                m.write(out);
            }
            first = last;
            word++;
        }
    }
}

}  // namespace gs

#endif
