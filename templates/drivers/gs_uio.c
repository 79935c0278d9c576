/* Linux UIO: see gs_uio.h. */
#define _POSIX_C_SOURCE 200809L
#include "gs_uio.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int gs_uio_open(gs_uio *uio, const char *path, size_t span) {
    uio->span = span;
    uio->file = open(path, O_RDWR | O_SYNC);
    if (uio->file < 0) return -1;
    uio->registers = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_SHARED, uio->file, 0);
    if (uio->registers == MAP_FAILED) {
        close(uio->file);
        return -1;
    }
    return 0;
}

int gs_uio_wait(gs_uio *uio) {
    uint32_t count = 1; /* the kernel masked the interrupt when it came: let it through again */
    if (write(uio->file, &count, sizeof count) != (ssize_t)sizeof count) return -1;
    return read(uio->file, &count, sizeof count) == (ssize_t)sizeof count ? 0 : -1;
}

void gs_uio_close(gs_uio *uio) {
    munmap(uio->registers, uio->span);
    close(uio->file);
}
