// Threads that share numbered pieces of work. The caller works too and takes a piece whenever it is
// free, so that a thread that the system does not run holds nobody up: a loop cut in equal parts
// (OpenMP) waits for it, milliseconds on a busy machine.
#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace gs {

class Pool {
public:
    // work(piece, worker) for every piece; workers are numbered 0 .. threads - 1.
    template <class Work>
    void run(long pieces, int threads, const Work& work) {
        while (static_cast<int>(helpers_.size()) < threads - 1) {
            const int worker = static_cast<int>(helpers_.size()) + 1;
            helpers_.emplace_back([this, worker] { help(worker); });
        }
        {
            const std::lock_guard<std::mutex> hold(lock_);
            next_ = 0, pieces_ = pieces, threads_ = threads;
            context_ = &work;
            call_ = [](const void* of, long piece, int worker) {
                (*static_cast<const Work*>(of))(piece, worker);
            };
            open_ = true, ++round_;
        }
        wake_.notify_all();
        take(0);
        std::unique_lock<std::mutex> hold(lock_);
        open_ = false;  // who has not begun by now has nothing left to do
        idle_.wait(hold, [this] { return busy_ == 0; });
    }

    ~Pool() {
        {
            const std::lock_guard<std::mutex> hold(lock_);
            over_ = true;
        }
        wake_.notify_all();
        for (auto& helper : helpers_) helper.join();
    }

private:
    void take(int worker) {
        for (long piece; (piece = next_.fetch_add(1)) < pieces_;) call_(context_, piece, worker);
    }

    void help(int worker) {
        long seen = 0;
        std::unique_lock<std::mutex> hold(lock_);
        while (true) {
            wake_.wait(hold, [&] { return over_ || (open_ && round_ != seen); });
            if (over_) return;
            seen = round_;
            if (worker >= threads_) continue;
            ++busy_;
            hold.unlock();
            take(worker);
            hold.lock();
            if (--busy_ == 0) idle_.notify_one();
        }
    }

    std::mutex lock_;
    std::condition_variable wake_, idle_;
    std::vector<std::thread> helpers_;
    std::atomic<long> next_{0};
    long pieces_ = 0, round_ = 0;
    int threads_ = 0, busy_ = 0;
    bool open_ = false, over_ = false;
    const void* context_ = nullptr;
    void (*call_)(const void*, long, int) = nullptr;
};

}  // namespace gs
