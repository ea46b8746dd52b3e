package client

import (
	"bytes"
	"context"
	"io"
)

// What an answer may have. JSON of a few bytes becomes values of some hundred, so bytes alone
// bound no memory.
const (
	// maxResponse bounds an answer's bytes, after decompression.
	maxResponse = 8 << 20
	// maxHeader bounds an answer's header.
	maxHeader = 256 << 10
	// maxObjects bounds its objects and lists, maxValues its values.
	maxObjects = 50_000
	maxValues  = 500_000
	// maxMembers bounds the entitlements of one customer.
	maxMembers = 10_000
	// maxErrors bounds the errors of one answer.
	maxErrors = 1_000

	// smallResponse is what is read of every answer at once; of those that are larger,
	// mostLarge are in memory at a time.
	smallResponse = 64 << 10
	mostLarge     = 8
)

// crowded reports whether a JSON text has more objects, lists or values than an answer may
// have.
func crowded(text []byte) bool {
	const shortest = len("{},")
	if len(text) < maxObjects*shortest {
		return false
	}
	objects, values := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = stringEnd(text, i+1)
		case '{', '[':
			objects++
		case ',':
			values++
		}
	}
	return objects > maxObjects || values > maxValues
}

// stringEnd is where the JSON string ends that goes on at i.
func stringEnd(text []byte, i int) int {
	for {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			return len(text)
		}
		i += n
		escapes := 0
		for escapes < i && text[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
		i++
	}
}

// readBody reads an answer whole, at most one byte beyond maxResponse. The function that it
// returns must be called when the answer has been decoded.
func (c *Client) readBody(ctx context.Context, body io.Reader) (raw []byte, done func(), err error) {
	done = func() {}
	raw, err = io.ReadAll(io.LimitReader(body, smallResponse+1))
	if err != nil || len(raw) <= smallResponse {
		return raw, done, err
	}
	select {
	case c.large <- struct{}{}:
		done = func() { <-c.large }
	case <-ctx.Done():
		return raw, done, ctx.Err()
	}
	whole := bytes.NewBuffer(raw)
	_, err = whole.ReadFrom(io.LimitReader(body, int64(maxResponse+1-len(raw))))
	return whole.Bytes(), done, err
}
