package emulator

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
)

// maxBody bounds the body of a request. A reportEvent of 1,000 events of a few
// KiB fits.
const maxBody = 8 << 20

func (e *Emulator) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/graphql", e.openToPages(http.HandlerFunc(e.serveGraphQL)))
	e.routeEdge(mux)
	mux.Handle("/_emulator/", e.ownPagesOnly(e.operator()))
	mux.Handle("/checkout/{id}", e.ownFormsOnly(http.HandlerFunc(e.serveCheckout)))
	mux.Handle("/checkout/invoice/{id}", e.ownFormsOnly(http.HandlerFunc(e.serveInvoice)))
	mux.HandleFunc("/", e.serveConsole)
	return mux
}

func (e *Emulator) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	if wantsUpgrade(r) {
		e.serveSocket(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		e.write(w, e.failed(http.StatusMethodNotAllowed, codeBadRequest, "GraphQL is served to POST, and to websockets of %s", subprotocol))
		return
	}
	if !e.authentic(r) {
		e.write(w, e.unauthenticated())
		return
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		e.write(w, e.failed(http.StatusUnsupportedMediaType, codeBadRequest, "the Content-Type must be application/json"))
		return
	}
	req, refusal := e.read(http.MaxBytesReader(w, r.Body, maxBody))
	if refusal != nil {
		e.write(w, *refusal)
		return
	}
	e.serve(w, r, req, "")
}

func (e *Emulator) authentic(r *http.Request) bool { return e.isKey(r.Header.Get("X-API-KEY")) }

// isKey compares digests, so that neither the time taken nor the lengths tell
// anything about the key.
func (e *Emulator) isKey(key string) bool {
	given, want := sha256.Sum256([]byte(key)), sha256.Sum256([]byte(e.key))
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1
}

func (e *Emulator) unauthenticated() reply {
	return e.failed(http.StatusUnauthorized, CodeUnauthenticated, "the header X-API-KEY is missing or not the key of this environment")
}

// read gives the request in a body, or the reply that refuses it.
func (e *Emulator) read(body io.Reader) (graphRequest, *reply) {
	refused := func(status int, format string, args ...any) (graphRequest, *reply) {
		out := e.failed(status, codeBadRequest, format, args...)
		return graphRequest{}, &out
	}
	raw, err := io.ReadAll(body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return refused(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	case err != nil:
		return refused(http.StatusBadRequest, "the body could not be read")
	case bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")):
		return refused(http.StatusBadRequest, "batches of operations are not served")
	}
	var req *graphRequest
	if err := json.Unmarshal(raw, &req); err != nil {
		return refused(http.StatusBadRequest, "the body is not a GraphQL request: %v", err)
	}
	if req == nil {
		return refused(http.StatusBadRequest, "the body is null")
	}
	return *req, nil
}

// answerBody is the shape of every GraphQL answer.
type answerBody struct {
	Errors []graphError    `json:"errors,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// write sends a reply in the shape of a GraphQL answer.
func (e *Emulator) write(w http.ResponseWriter, r reply) {
	body, err := json.Marshal(answerBody{r.errors, r.data})
	if err != nil {
		http.Error(w, `{"errors":[{"message":"the answer could not be written"}]}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(r.status)
	_, _ = w.Write(append(body, '\n'))
}
