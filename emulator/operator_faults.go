package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"
)

// faultJSON is a fault in the operator's window.
type faultJSON struct {
	Operation      string            `json:"operation,omitempty"`
	CustomerID     string            `json:"customerId,omitempty"`
	FeatureID      string            `json:"featureId,omitempty"`
	IdempotencyKey string            `json:"idempotencyKey,omitempty"`
	Count          *int              `json:"count,omitempty"`
	Latency        string            `json:"latency,omitempty"`
	After          bool              `json:"after,omitempty"`
	Drop           string            `json:"drop,omitempty"`
	Status         *int              `json:"status,omitempty"`
	Code           Code              `json:"code,omitempty"`
	Garbage        bool              `json:"garbage,omitempty"`
	Truncate       bool              `json:"truncate,omitempty"`
	RetryAfter     int64             `json:"retryAfter,omitempty"`
	Headers        map[string]string `json:"headers,omitempty"`

	IsValidationError bool `json:"isValidationError,omitempty"`
}

// serveFaults lists the faults (GET), adds one (POST), or takes all away (DELETE).
func (e *Emulator) serveFaults(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		show(w, http.StatusOK, append([]ActiveFault{}, e.Faults()...))
	case http.MethodPost:
		f, err := readFault(http.MaxBytesReader(w, r.Body, 64<<10))
		if err == nil {
			err = e.Fault(f)
		}
		if err != nil {
			show(w, http.StatusBadRequest, map[string]string{"error": strings.TrimPrefix(err.Error(), "emulator: ")})
			return
		}
		show(w, http.StatusCreated, ActiveFault{Fault: f})
	case http.MethodDelete:
		e.ClearFaults()
		show(w, http.StatusOK, []ActiveFault{})
	default:
		w.Header().Set("Allow", "GET, HEAD, POST, DELETE")
		show(w, http.StatusMethodNotAllowed, map[string]string{"error": "this path is for GET, POST and DELETE only"})
	}
}

// readFault takes one fault; that it can be is for Emulator.Fault to say.
func readFault(body io.Reader) (Fault, error) {
	var in *faultJSON
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return Fault{}, fmt.Errorf("fault: the body can't be read: %w", fieldNamed(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Fault{}, errors.New("fault: something follows the fault in the body")
	}
	if in == nil {
		return Fault{}, errors.New("fault: the body is null")
	}
	f := Fault{
		Operation: in.Operation, CustomerID: in.CustomerID, FeatureID: in.FeatureID, IdempotencyKey: in.IdempotencyKey,
		After: in.After, Drop: in.Drop, Code: in.Code, Garbage: in.Garbage, Truncate: in.Truncate, Headers: in.Headers,
		IsValidationError: in.IsValidationError,
	}
	if in.Count != nil {
		if f.Count = *in.Count; f.Count == 0 {
			return Fault{}, errors.New("fault: count: 0 requests are none to break; leave it out for all of them")
		}
	}
	if in.Status != nil {
		if f.Status = *in.Status; f.Status == 0 {
			return Fault{}, errors.New("fault: status: 0 is no HTTP status")
		}
	}
	if in.Latency != "" {
		d, err := time.ParseDuration(in.Latency)
		if err != nil {
			return Fault{}, fmt.Errorf("fault: latency: %q is no duration such as 2s or 150ms", in.Latency)
		}
		f.Latency = d
	}
	if in.RetryAfter < 0 || in.RetryAfter > math.MaxInt64/int64(time.Second) {
		return Fault{}, fmt.Errorf("fault: retryAfter: %d is no number of seconds to wait", in.RetryAfter)
	}
	f.RetryAfter = time.Duration(in.RetryAfter) * time.Second
	return f, nil
}

// MarshalJSON writes the fault as the operator's window takes it, and how often
// it has fired.
func (f ActiveFault) MarshalJSON() ([]byte, error) {
	out := struct {
		faultJSON
		Fired int `json:"fired"`
	}{faultJSON{
		Operation: f.Operation, CustomerID: f.CustomerID, FeatureID: f.FeatureID, IdempotencyKey: f.IdempotencyKey,
		After: f.After, Drop: f.Drop, Code: f.Code, Garbage: f.Garbage, Truncate: f.Truncate,
		RetryAfter: seconds(f.RetryAfter), Headers: f.Headers, IsValidationError: f.IsValidationError,
	}, f.Fired}
	if f.Count > 0 {
		out.Count = &f.Count
	}
	if f.Status > 0 {
		out.Status = &f.Status
	}
	if f.Latency > 0 {
		out.Latency = f.Latency.String()
	}
	return json.Marshal(out)
}
