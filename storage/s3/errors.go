package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/reelvault/reelvault"
)

// refusal is what an error code of S3 means to callers.
type refusal struct {
	kind reelvault.Kind
	text string
	hint string
}

// refusals are the codes that their HTTP status alone does not explain.
var refusals = map[string]refusal{
	minio.NoSuchBucket:               {reelvault.Unavailable, "the bucket does not exist", "make the bucket, or let the access key make it"},
	minio.AccessDenied:               {reelvault.Unavailable, "the object store denies access", "let the access key put, get, list and delete objects, versions and uploads in the bucket"},
	"InvalidAccessKeyId":             {reelvault.Unavailable, "the object store does not know the access key", "check the access key"},
	"SignatureDoesNotMatch":          {reelvault.Unavailable, "the object store refuses the signature", "check the secret key; a proxy in between must not change the Host header"},
	"RequestTimeTooSkewed":           {reelvault.Unavailable, "the object store's clock and ours differ", "set the clock of this machine, as by NTP"},
	"ConditionalRequestConflict":     {reelvault.Unavailable, "the object store is busy with the same object", ""},
	"OperationAborted":               {reelvault.Unavailable, "the object store is busy with the same object", ""},
	"InternalError":                  {reelvault.Unavailable, "the object store has failed", "look in its log"}, // Complete says so with status 200
	"SlowDown":                       {reelvault.Unavailable, "the object store is overloaded", ""},
	"XMinioStorageFull":              {reelvault.StorageFull, "the object store is full", "make room in the object store"},
	"QuotaExceeded":                  {reelvault.StorageFull, "the bucket's quota is used up", "raise the quota"},
	"XMinioAdminBucketQuotaExceeded": {reelvault.StorageFull, "the bucket's quota is used up", "raise the quota"},
	minio.PreconditionFailed:         {reelvault.Conflict, "an object is there already", ""},
	"InvalidPart":                    {reelvault.Conflict, "a part is not as it was stored", ""},
	"EntityTooSmall":                 {reelvault.Conflict, "a part is not as it was stored", ""}, // we count; the store counts otherwise
	"InvalidRange":                   {reelvault.Invalid, "the object is shorter", ""},
	"AuthorizationHeaderMalformed":   {reelvault.Unavailable, "the object store is in another region", "set the region"},
}

// translate gives err as an error of a kind, what being the thing that was
// tried. If ctx has ended, the caller gave up and err says that.
func (b *Blobs) translate(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	var known *reelvault.Error
	if errors.As(err, &known) {
		return err
	}
	var reply minio.ErrorResponse
	if errors.As(err, &reply) {
		r := meaning(reply)
		return &reelvault.Error{Kind: r.kind, Message: what + ": " + r.text, Hint: r.hint, Cause: err}
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return &reelvault.Error{
			Kind: reelvault.Unavailable, Message: what + ": the object store's certificate is not trusted",
			Hint: "name the file of its certificate authority", Cause: err,
		}
	}
	return &reelvault.Error{Kind: reelvault.Unavailable, Message: what + ": the object store can't be reached", Cause: err}
}

func meaning(reply minio.ErrorResponse) refusal {
	if r, ok := refusals[reply.Code]; ok {
		return r
	}
	status := reply.StatusCode
	switch {
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed: // 405 is a delete marker's
		return refusal{reelvault.NotFound, "not found", ""}
	case status == http.StatusPreconditionFailed:
		return refusal{reelvault.Conflict, "an object is there already", ""}
	case status == http.StatusInsufficientStorage:
		return refusal{reelvault.StorageFull, "the object store is full", "make room in the object store"}
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return refusals[minio.AccessDenied]
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return refusal{reelvault.Unavailable, fmt.Sprintf("the object store answers %d", status), ""}
	}
	return refusal{reelvault.Internal, fmt.Sprintf("the object store answers %d %.80q", status, reply.Code), ""}
}

func codeOf(err error) string {
	var reply minio.ErrorResponse
	if errors.As(err, &reply) {
		return reply.Code
	}
	return ""
}

func statusOf(err error) int {
	var reply minio.ErrorResponse
	if errors.As(err, &reply) {
		return reply.StatusCode
	}
	return 0
}
