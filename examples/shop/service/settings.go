package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Settings are what makes one release differ from another: the environment in the pod template.
// examples/shop/model.py reads the same names for nodes where no process runs.
type Settings struct {
	Address    string        // SHOP_ADDRESS: where to listen
	Release    string        // SHOP_RELEASE: the name of this release
	ErrorRatio float64       // SHOP_ERROR_RATIO: the share of requests answered with 500, from 0 to 1
	Latency    time.Duration // SHOP_LATENCY: how long one answer takes
	Capacity   float64       // SHOP_CAPACITY: requests per second that one replica serves, above 0
	WedgeAfter time.Duration // SHOP_WEDGE_AFTER: when a process hangs by itself; 0 is never
	Leak       float64       // SHOP_LEAK: KiB of memory that each served request leaves behind
	Crash      bool          // SHOP_CRASH: exit at start
}

// readSettings reads the environment; its error names every variable that is wrong.
func readSettings(getenv func(string) string) (Settings, error) {
	env := environment{get: getenv}
	settings := Settings{
		Address:    env.text("SHOP_ADDRESS", ":8080"),
		Release:    env.text("SHOP_RELEASE", "v1"),
		ErrorRatio: env.number("SHOP_ERROR_RATIO", 0, 0, 1),
		Latency:    env.duration("SHOP_LATENCY", 5*time.Millisecond),
		Capacity:   env.number("SHOP_CAPACITY", 50, 0.1, 1e6),
		WedgeAfter: env.duration("SHOP_WEDGE_AFTER", 0),
		Leak:       env.number("SHOP_LEAK", 0, 0, 1e6),
		Crash:      env.truth("SHOP_CRASH"),
	}
	return settings, errors.Join(env.wrong...)
}

// environment reads variables and remembers those that it could not understand.
type environment struct {
	get   func(string) string
	wrong []error
}

func (e *environment) text(name, fallback string) string {
	if value := e.get(name); value != "" {
		return value
	}
	return fallback
}

func (e *environment) number(name string, fallback, least, most float64) float64 {
	text := e.get(name)
	if text == "" {
		return fallback
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || value < least || value > most {
		e.reject(name, text, fmt.Sprintf("a number from %v to %v", least, most))
	}
	return value
}

func (e *environment) duration(name string, fallback time.Duration) time.Duration {
	text := e.get(name)
	if text == "" {
		return fallback
	}
	value, err := time.ParseDuration(text)
	if err != nil || value < 0 {
		e.reject(name, text, "a duration such as 250ms")
	}
	return value
}

func (e *environment) truth(name string) bool {
	text := e.get(name)
	if text != "" && text != "true" && text != "false" {
		e.reject(name, text, "true or false")
	}
	return text == "true"
}

func (e *environment) reject(name, text, wanted string) {
	e.wrong = append(e.wrong, fmt.Errorf("%s: want %s, got %q", name, wanted, text))
}
