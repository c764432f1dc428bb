// Command shop is a small service that can be made unhealthy in the ways that services become unhealthy:
// by a bad release, by a process that hangs, by more traffic than it can carry.
// It knows nothing of Salus: what Salus sees of it is what Prometheus scrapes from /metrics.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// graceful is how long requests may take to finish after SIGTERM. A wedged process never finishes them.
const graceful = 3 * time.Second

func main() {
	settings, err := readSettings(os.Getenv)
	if err != nil {
		slog.Error("the environment is wrong", "error", err)
		os.Exit(2)
	}
	if settings.Crash {
		slog.Error("this release crashes at start: SHOP_CRASH is true", "release", settings.Release)
		os.Exit(1)
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if err := run(stop, settings); err != nil {
		slog.Error("the server failed", "error", err)
		os.Exit(1)
	}
}

// run serves until stop is done, then lets the requests that are under way finish.
func run(stop context.Context, settings Settings) error {
	shop := newShop(settings, time.Now())
	if settings.WedgeAfter > 0 {
		timer := time.AfterFunc(settings.WedgeAfter, shop.wedge)
		defer timer.Stop()
	}
	server := &http.Server{Addr: settings.Address, Handler: shop.routes(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	slog.Info("open", "address", settings.Address, "release", settings.Release, "capacity_rps", settings.Capacity)

	select {
	case err := <-failed:
		return err
	case <-stop.Done():
		slog.Info("closing: finishing the requests under way", "at_most", graceful)
		return closeGracefully(server, graceful)
	}
}

func closeGracefully(server *http.Server, patience time.Duration) error {
	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := server.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		slog.Warn("requests are still hanging: cutting them off")
		return server.Close()
	}
	return err
}
