// Package check holds the dashboard and the alert rules beside it to Prometheus' own parser,
// which brings too much along for the module that apps use.
package check
