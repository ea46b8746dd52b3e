package gateotel_test

import (
	"net/http"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	gateotel "github.com/stiggate/gate/contrib/otel"
)

// The providers are OpenTelemetry's global ones.
func Example() {
	observed := func(key string, who gate.Resolver) (*gate.Gate, *gateotel.Telemetry, error) {
		stigg, err := client.New(key, client.WithHTTPClient(&http.Client{Transport: gateotel.Transport(nil)}))
		if err != nil {
			return nil, nil, err
		}
		t, err := gateotel.New()
		if err != nil {
			return nil, nil, err
		}
		g, err := gate.New(stigg, who, gate.WithObserver(t.Observer()))
		if err != nil {
			return nil, nil, err
		}
		return g, t, t.Watch(g)
	}
	_ = observed
}
