package gateprometheus_test

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/stiggate/gate"
	gateprometheus "github.com/stiggate/gate/contrib/prometheus"
)

// The app registers the metrics of its gate, and serves them with its own.
func Example() {
	measured := func(stigg gate.Source, who gate.Resolver, mux *http.ServeMux) (*gate.Gate, error) {
		m := gateprometheus.New()
		g, err := gate.New(stigg, who, gate.WithObserver(m.Observer()))
		if err != nil {
			return nil, err
		}
		if err := m.Watch(g); err != nil {
			return nil, err
		}
		if err := prometheus.Register(m); err != nil {
			return nil, err
		}
		mux.Handle("GET /metrics", promhttp.Handler())
		return g, nil
	}
	_ = measured
}
