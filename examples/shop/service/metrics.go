package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// codes are all the answers there can be. Each is a series from the start: a rate() over a series that begins
// with its first error misses that error, and a ratio over a missing series is no data instead of 0.
var codes = [...]int{http.StatusOK, statusGaveUp, http.StatusInternalServerError, http.StatusServiceUnavailable}

// bounds are the upper limits of the duration histogram's buckets, in seconds.
var bounds = [...]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}

// Metrics counts business requests and writes the counts in Prometheus' text format.
type Metrics struct {
	settings Settings
	started  time.Time

	mutex    sync.Mutex
	inFlight int
	requests map[int]uint64
	answered uint64              // requests that got an answer: the duration of the others is the client's patience
	within   [len(bounds)]uint64 // answered within the bound
	seconds  float64             // sum of the durations of the answered
}

func newMetrics(settings Settings, started time.Time) *Metrics {
	return &Metrics{settings: settings, started: started, requests: map[int]uint64{}}
}

func (m *Metrics) begin() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.inFlight++
}

func (m *Metrics) end(code int, took time.Duration) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.inFlight--
	m.requests[code]++
	if code == statusGaveUp {
		return
	}
	m.answered++
	m.seconds += took.Seconds()
	for i, bound := range bounds {
		if took.Seconds() <= bound {
			m.within[i]++
		}
	}
}

func (m *Metrics) write(w io.Writer) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.writeRequests(w)
	m.writeDurations(w)
	head(w, "http_requests_in_flight", "gauge", "Business requests being worked on or hanging.")
	fmt.Fprintf(w, "http_requests_in_flight %d\n", m.inFlight)
	head(w, "shop_capacity_rps", "gauge", "Requests per second that this replica serves.")
	fmt.Fprintf(w, "shop_capacity_rps %s\n", number(m.settings.Capacity))
	head(w, "process_start_time_seconds", "gauge", "Start of the process, in seconds since 1970.")
	fmt.Fprintf(w, "process_start_time_seconds %s\n", number(float64(m.started.UnixMilli())/1000))
	head(w, "shop_build_info", "gauge", "Always 1; the label says which release this is.")
	fmt.Fprintf(w, "shop_build_info{release=%q} 1\n", m.settings.Release)
}

func (m *Metrics) writeRequests(w io.Writer) {
	head(w, "http_requests_total", "counter", "Business requests by status code; 499: the client gave up.")
	for _, code := range codes {
		fmt.Fprintf(w, "http_requests_total{code=\"%d\"} %d\n", code, m.requests[code])
	}
}

func (m *Metrics) writeDurations(w io.Writer) {
	const name = "http_request_duration_seconds"
	head(w, name, "histogram", "How long answered business requests took.")
	for i, bound := range bounds {
		fmt.Fprintf(w, "%s_bucket{le=%q} %d\n", name, number(bound), m.within[i])
	}
	fmt.Fprintf(w, "%s_bucket{le=\"+Inf\"} %d\n", name, m.answered)
	fmt.Fprintf(w, "%s_sum %s\n%s_count %d\n", name, number(m.seconds), name, m.answered)
}

func head(w io.Writer, name, kind, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func number(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }
