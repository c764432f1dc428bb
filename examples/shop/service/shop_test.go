package main

import (
	"bytes"
	"context"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

var start = time.Unix(1_800_000_000, 500_000_000)

func good() Settings {
	return Settings{Release: "v1", Latency: time.Millisecond, Capacity: 1000}
}

func open(t *testing.T, settings Settings) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(newShop(settings, start).routes())
	t.Cleanup(server.Close)
	return server
}

// get returns the status code, or 0 when the client's patience ended first.
func get(t *testing.T, url string, patience time.Duration) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func scrape(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func waitForLine(t *testing.T, url, line string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		text := scrape(t, url)
		if strings.Contains(text, line+"\n") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never saw %q in:\n%s", line, text)
		}
	}
}

func TestErrorsAreAnExactShare(t *testing.T) {
	for _, test := range []struct {
		name  string
		ratio float64
		want  int
	}{
		{"a good release never fails", 0, 0},
		{"thirty percent is thirty in a hundred", 0.3, 30},
		{"one percent is one in a hundred", 0.01, 1},
		{"everything fails at one", 1, 100},
	} {
		t.Run(test.name, func(t *testing.T) {
			errors := 0
			for n := uint64(1); n <= 100; n++ {
				if isError(n, test.ratio) {
					errors++
				}
			}
			if errors != test.want {
				t.Errorf("got %d errors in 100, want %d", errors, test.want)
			}
		})
	}
}

func TestQueueServesItsCapacityAndNoMore(t *testing.T) {
	queue := newQueue(100)
	served := 0
	for i := range 2000 { // 200 a second for ten seconds
		if _, joined := queue.join(start.Add(time.Duration(i) * 5 * time.Millisecond)); joined {
			served++
		}
	}
	if served < 1000 || served > 1000+26 {
		t.Errorf("served %d of 2000, want the 1000 of ten seconds and at most a full queue more", served)
	}
}

func TestQueueKeepsNobodyWaitingBelowItsCapacity(t *testing.T) {
	queue := newQueue(100)
	for i := range 100 {
		wait, joined := queue.join(start.Add(time.Duration(i) * 20 * time.Millisecond))
		if !joined || wait != 0 {
			t.Fatalf("request %d: joined %v, wait %v", i, joined, wait)
		}
	}
}

func TestABadReleaseAnswers500(t *testing.T) {
	settings := good()
	settings.ErrorRatio = 0.5
	server := open(t, settings)
	for range 10 {
		get(t, server.URL, 5*time.Second)
	}
	waitForLine(t, server.URL, `http_requests_total{code="500"} 5`)
	waitForLine(t, server.URL, `http_requests_total{code="200"} 5`)
}

func TestAWedgedProcessIsReadyAndHangs(t *testing.T) {
	server := open(t, good())
	if code := get(t, server.URL, 5*time.Second); code != 200 {
		t.Fatalf("before the wedge: %d", code)
	}
	response, err := http.Post(server.URL+"/admin/wedge", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()

	if code := get(t, server.URL, 50*time.Millisecond); code != 0 {
		t.Errorf("a wedged process answered %d", code)
	}
	if code := get(t, server.URL+"/healthz", 5*time.Second); code != 200 {
		t.Errorf("a wedged process must stay ready, got %d", code)
	}
	waitForLine(t, server.URL, `http_requests_total{code="499"} 1`)
	waitForLine(t, server.URL, `http_requests_in_flight 0`)
	waitForLine(t, server.URL, `http_request_duration_seconds_count 1`)
}

func TestAFullQueueAnswers503(t *testing.T) {
	settings := good()
	settings.Capacity = 0.1
	server := open(t, settings)
	if code := get(t, server.URL, 5*time.Second); code != 200 {
		t.Errorf("the first request: %d", code)
	}
	if code := get(t, server.URL, 5*time.Second); code != 503 {
		t.Errorf("the second request in ten seconds: %d", code)
	}
}

func TestSettingsSayEverythingThatIsWrong(t *testing.T) {
	env := map[string]string{
		"SHOP_ERROR_RATIO": "30%", "SHOP_LATENCY": "fast", "SHOP_CAPACITY": "0", "SHOP_CRASH": "yes", "SHOP_LEAK": "1MiB",
	}
	_, err := readSettings(func(name string) string { return env[name] })
	if err == nil {
		t.Fatal("nothing was refused")
	}
	for name := range env {
		if !strings.Contains(err.Error(), name+": want ") {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
}

func TestALeakGrowsWithEachServedRequestAndAGoodReleaseHasNone(t *testing.T) {
	for _, kib := range []float64{0, 64} {
		settings := good()
		settings.Leak = kib
		shop := newShop(settings, start)
		for range 3 {
			shop.outcome(context.Background())
		}
		kept := 0
		for _, block := range shop.leaked.kept {
			kept += len(block)
		}
		if want := int(3 * kib * 1024); kept != want {
			t.Errorf("with a leak of %v KiB, %d bytes are kept after three requests; want %d", kib, kept, want)
		}
	}
}

func TestSettingsHaveDefaultsOfAGoodRelease(t *testing.T) {
	settings, err := readSettings(func(string) string { return "" })
	want := Settings{Address: ":8080", Release: "v1", Latency: 5 * time.Millisecond, Capacity: 50}
	if err != nil || settings != want {
		t.Errorf("got %+v, %v; want %+v", settings, err, want)
	}
}

func TestClosingCutsOffWhatHangs(t *testing.T) {
	shop := newShop(good(), start)
	shop.wedge()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: shop.routes()}
	go server.Serve(listener)
	url := "http://" + listener.Addr().String()
	hanging := make(chan int, 1)
	go func() { hanging <- get(t, url, time.Minute) }()
	waitForLine(t, url, "http_requests_in_flight 1")

	if err := closeGracefully(server, 10*time.Millisecond); err != nil {
		t.Error(err)
	}
	if code := <-hanging; code != 0 {
		t.Errorf("the hanging request was answered with %d", code)
	}
}

// The simulator for nodes without processes is held to the same file by tests/tools/test_simulator.py.
func TestMetricsAreWrittenAsInTheGoldenFile(t *testing.T) {
	metrics := newMetrics(Settings{Release: "v2", Capacity: 40}, start)
	for _, request := range []struct {
		code int
		took time.Duration
	}{{200, 20 * time.Millisecond}, {500, 300 * time.Millisecond}, {503, time.Millisecond}, {499, 2 * time.Second}} {
		metrics.begin()
		metrics.end(request.code, request.took)
	}
	metrics.begin()
	var got bytes.Buffer
	metrics.write(&got)

	const path = "testdata/metrics.txt"
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got:\n%s\nwant (go test -update rewrites it):\n%s", got.String(), want)
	}
}
