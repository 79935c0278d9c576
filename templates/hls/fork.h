// fork.h: one stream, several readers; each takes every beat.
//
// C: W, BEATS.
#ifndef GS_FORK_H
#define GS_FORK_H

#include "types.h"

namespace gs {

template <int W>
void give(const ap_uint<W>&) {
#pragma HLS INLINE
}
template <int W, class... Rest>
void give(const ap_uint<W>& beat, hls::stream<ap_uint<W> >& reader, Rest&... rest) {
#pragma HLS INLINE
    reader.write(beat);
    give(beat, rest...);
}

template <class C, class... Readers>
void fork(hls::stream<ap_uint<C::W> >& s, Readers&... readers) {
    for (int beat = 0; beat < C::BEATS; beat++) {
#pragma HLS PIPELINE II=1
        const ap_uint<C::W> taken = s.read();
        give(taken, readers...);
    }
}

}  // namespace gs

#endif
