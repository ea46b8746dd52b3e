// Package gateprometheus has the metrics of a gate for Prometheus: what it decides and on what
// that rests, how long requests wait for Stigg, its reads, its deliveries, and its queue.
//
//	m := gateprometheus.New()
//	g, err := gate.New(stigg, who, gate.WithObserver(m.Observer()))
//	err = m.Watch(g)
//	err = registry.Register(m)
//
// docs/metrics.md has the table of all metrics; dashboard.json beside this file is a dashboard for
// Grafana, and alerts.yml has rules for Prometheus.
//
// No label has anything of a customer's. The labels are bounded: routes are patterns as routers
// have them, methods those that are registered (else "other"), features and codes those of the
// app's policies. Where an app makes them of what a request says, each has 1,000 values at most, and
// "other" for all more.
package gateprometheus
