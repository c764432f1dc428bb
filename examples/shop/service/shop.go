package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// statusGaveUp counts requests whose client went away before the answer; nginx made this number a custom.
const statusGaveUp = 499

// longestQueue is how long a request may have to wait for its turn; beyond it the answer is 503 at once.
const longestQueue = 250 * time.Millisecond

// Shop answers business requests as its settings tell it to.
type Shop struct {
	settings Settings
	metrics  *Metrics
	queue    queue
	served   atomic.Uint64 // requests that passed the queue: what the share of errors is taken of
	wedged   atomic.Bool
	leaked   leak
}

func newShop(settings Settings, now time.Time) *Shop {
	return &Shop{settings: settings, metrics: newMetrics(settings, now), queue: newQueue(settings.Capacity)}
}

func (s *Shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.business)
	// Neither probes nor Prometheus notice a wedge: that is the fault which only the callers' view shows.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		s.metrics.write(w)
	})
	mux.HandleFunc("POST /admin/wedge", func(w http.ResponseWriter, _ *http.Request) {
		s.wedge()
		fmt.Fprintln(w, "wedged: business requests hang until this process is restarted")
	})
	return mux
}

// wedge makes every business request from now on hang, for as long as this process lives.
func (s *Shop) wedge() {
	s.wedged.Store(true)
	slog.Warn("wedged: business requests hang from now on")
}

func (s *Shop) business(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	s.metrics.begin()
	code := s.outcome(r.Context())
	s.metrics.end(code, time.Since(began))
	if code != statusGaveUp {
		w.WriteHeader(code)
		fmt.Fprintf(w, "release %s: %s\n", s.settings.Release, http.StatusText(code))
	}
}

// outcome does the work of one request, waiting included, and returns the status code of its answer.
func (s *Shop) outcome(client context.Context) int {
	if s.wedged.Load() {
		<-client.Done()
		return statusGaveUp
	}
	wait, served := s.queue.join(time.Now())
	if !served {
		return http.StatusServiceUnavailable
	}
	if !pause(client, wait+s.settings.Latency) {
		return statusGaveUp
	}
	s.leaked.grow(s.settings.Leak)
	if isError(s.served.Add(1), s.settings.ErrorRatio) {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// leak is memory that nothing needs and nothing gives back.
type leak struct {
	mutex sync.Mutex
	kept  [][]byte
}

// grow keeps some KiB more, and writes to every page of them: memory counts against a limit only once it is used.
func (l *leak) grow(kib float64) {
	more := make([]byte, int(kib*1024))
	for i := 0; i < len(more); i += 4096 {
		more[i] = 1
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(more) > 0 {
		l.kept = append(l.kept, more)
	}
}

// pause waits and reports whether the client is still there at the end.
func pause(client context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-client.Done():
		return false
	case <-timer.C:
		return true
	}
}

// isError says whether request number n, counted from 1, is one of the failing ones. They are spread evenly,
// not thrown by dice, so that 30 % is 30 % in the shortest demonstration.
func isError(n uint64, ratio float64) bool {
	return math.Floor(float64(n)*ratio) > math.Floor(float64(n-1)*ratio)
}

// queue hands out turns, evenly spaced, so many in a second.
type queue struct {
	mutex   sync.Mutex
	spacing time.Duration
	next    time.Time // the first turn that nobody has yet
}

func newQueue(capacity float64) queue {
	return queue{spacing: time.Duration(float64(time.Second) / capacity)}
}

// join takes the next turn and says how long it is away, unless the queue is too long.
func (q *queue) join(now time.Time) (wait time.Duration, joined bool) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	turn := q.next
	if turn.Before(now) {
		turn = now
	}
	wait = turn.Sub(now)
	if wait > longestQueue {
		return 0, false
	}
	q.next = turn.Add(q.spacing)
	return wait, true
}
