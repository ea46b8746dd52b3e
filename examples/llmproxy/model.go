package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// model stands in for a provider's: it says the same to everybody, a token at a time.
type model struct {
	pace time.Duration // from one token to the next
}

const speech = "Plans say what may be done and how much of it so that everybody gets what they pay for"

// start serves the model at a free port.
func (m model) start() (*http.Server, string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /chat", m.chat)
	mux.HandleFunc("POST /embeddings", m.embed)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return server, "http://" + listener.Addr().String(), nil
}

// chat streams max_tokens tokens, or 80.
func (m model) chat(w http.ResponseWriter, r *http.Request) {
	var p prompt
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	if p.MaxTokens == 0 {
		p.MaxTokens = 80
	}
	w.Header().Set("Content-Type", "text/event-stream")
	words := strings.Fields(speech)
	for i := range p.MaxTokens {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(m.pace):
		}
		fmt.Fprintf(w, "data: {\"token\":%q}\n\n", words[i%len(words)])
		_ = http.NewResponseController(w).Flush()
	}
}

// embed answers with a vector for each text.
func (m model) embed(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Input []string `json:"input"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	vectors := make([][]float64, len(in.Input))
	for i, text := range in.Input {
		vectors[i] = []float64{float64(len(text)), float64(strings.Count(text, " "))}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"embeddings": vectors})
}
