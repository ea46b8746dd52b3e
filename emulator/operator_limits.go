package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// serveLimits lists the rate limits (GET), sets one or Stigg's own (POST), or lifts
// all of them (DELETE).
func (e *Emulator) serveLimits(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		show(w, http.StatusOK, e.RateLimits())
	case http.MethodPost:
		if err := e.orderLimit(w, r); err != nil {
			refuseOrder(w, err)
			return
		}
		show(w, http.StatusCreated, e.RateLimits())
	case http.MethodDelete:
		e.limits.clear()
		show(w, http.StatusOK, e.RateLimits())
	default:
		notFor(w, "GET, HEAD, POST, DELETE")
	}
}

func (e *Emulator) orderLimit(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Stigg    bool      `json:"stigg"`
		Class    RateClass `json:"class"`
		Requests *int      `json:"requests"`
		Per      string    `json:"per"`
	}
	if err := readOrder(w, r, &in); err != nil {
		return err
	}
	switch {
	case in.Stigg && in.Class == "" && in.Requests == nil && in.Per == "":
		return WithStiggLimits()(e)
	case in.Stigg || in.Class == "" || in.Requests == nil:
		return errors.New(`send {"class": "reads", "requests": 100, "per": "1s"} or {"stigg": true}`)
	}
	per := time.Minute
	if in.Per != "" {
		d, err := time.ParseDuration(in.Per)
		if err != nil {
			return fmt.Errorf("rate limit: per: %q is no duration such as 1s or 1m", in.Per)
		}
		per = d
	}
	return e.SetRateLimit(in.Class, *in.Requests, per)
}

// MarshalJSON writes the limit as the operator's window shows it.
func (l RateLimit) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Class     RateClass `json:"class"`
		Requests  int       `json:"requests"`
		Per       string    `json:"per"`
		Remaining int       `json:"remaining"`
		Reset     any       `json:"reset"`
		Refused   int       `json:"refused"`
	}{l.Class, l.Requests, l.Per.String(), l.Remaining, moment(l.Reset), l.Refused})
}
