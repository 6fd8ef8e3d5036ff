// Event queues under the hold model (R. Brown, "Calendar queues", CACM 31(10), 1988): take the first
// event, put it back at its time plus a delay, with N pending all the time. The same delays as in
// bench_engine.c.
//
//     event_queues heap|calendar N HOLDS      prints ns of CPU time per hold
//
// heap: std::priority_queue. calendar: Brown's calendar queue, fixed at its best size for N.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <queue>
#include <vector>

namespace {

struct event {
    int64_t time_ns;
    uint64_t sequence;
    bool operator<(const event &o) const  // the first one is the greatest
    {
        return time_ns != o.time_ns ? time_ns > o.time_ns : sequence > o.sequence;
    }
};

uint32_t state = 12345;
int64_t delay()  // uniform over 2^20 ns
{
    state = state * 1664525u + 1013904223u;
    return 1 + (state >> 12);
}

struct heap {
    std::priority_queue<event> q;
    explicit heap(size_t) {}
    void put(const event &e) { q.push(e); }
    event take()
    {
        event e = q.top();
        q.pop();
        return e;
    }
};

// Days are as wide as holds one event on average; a year has a power of two of them.
struct calendar {
    std::vector<std::vector<event>> days;
    int64_t width;
    size_t today = 0;
    int64_t day_end;
    explicit calendar(size_t n)
    {
        size_t size = 1;
        while (size < n) size *= 2;
        days.resize(size);
        width = (int64_t{1} << 19) / static_cast<int64_t>(n) + 1;
        day_end = width;
    }
    void put(const event &e)
    {
        auto &day = days[static_cast<size_t>(e.time_ns / width) & (days.size() - 1)];
        size_t at = day.size();
        day.push_back(e);
        for (; at > 0 && day[at - 1] < e; at--) day[at] = day[at - 1];  // the first one stands last
        day[at] = e;
    }
    event take()
    {
        for (size_t searched = 0; searched <= days.size(); searched++) {
            auto &day = days[today];
            if (!day.empty() && day.back().time_ns < day_end) {
                event e = day.back();
                day.pop_back();
                return e;
            }
            today = (today + 1) & (days.size() - 1);
            day_end += width;
        }
        // A whole year without an event: go to the earliest there is.
        const event *first = nullptr;
        for (auto &day : days)
            if (!day.empty() && (!first || *first < day.back())) first = &day.back();
        today = static_cast<size_t>(first->time_ns / width) & (days.size() - 1);
        day_end = (first->time_ns / width + 1) * width;
        return take();
    }
};

template <class queue>
double measure(size_t n, size_t holds)
{
    queue q(n);
    uint64_t sequence = 0;
    int64_t checksum = 0;
    for (size_t i = 0; i < n; i++) q.put({delay(), sequence++});
    timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (size_t i = 0; i < holds; i++) {
        event e = q.take();
        checksum += e.time_ns;
        q.put({e.time_ns + delay(), sequence++});
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    if (checksum == 42) std::puts("");  // so that nothing is optimised away
    double ns = static_cast<double>(b.tv_sec - a.tv_sec) * 1e9 +
                static_cast<double>(b.tv_nsec - a.tv_nsec);
    return ns / static_cast<double>(holds);
}

}  // namespace

int main(int argc, char **argv)
{
    size_t n = argc == 4 ? std::strtoull(argv[2], nullptr, 10) : 0;
    size_t holds = argc == 4 ? std::strtoull(argv[3], nullptr, 10) : 0;
    if (n == 0 || holds == 0) {
        std::fprintf(stderr, "usage: event_queues heap|calendar N HOLDS\n");
        return 2;
    }
    bool is_heap = std::strcmp(argv[1], "heap") == 0;
    std::printf("%.3f\n", is_heap ? measure<heap>(n, holds) : measure<calendar>(n, holds));
    return 0;
}
