package backups

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"kowabunga/core/fault"
)

const (
	defaultEndpoint = "https://s3.amazonaws.com"
	defaultRegion   = "us-east-1"
	tries           = 4        // of a request that the storage does not answer or answers 5xx; about ten seconds
	partSize        = 64 << 20 // of an object that is larger than that; 10,000 of them are the most S3 takes
)

// bucket is a target in S3-compatible storage, spoken to with signature version 4.
type bucket struct {
	core   minio.Core
	name   string
	prefix string
}

// endpoint is where the storage answers. Without TLS, the data would be readable on the way.
func (s S3) endpoint() (*url.URL, error) {
	text := s.Endpoint
	if text == "" {
		text = defaultEndpoint
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fault.Bad("backup.s3.endpoint", "must be https://HOST[:PORT]")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fault.Bad("backup.s3.endpoint", "%q is not on this machine; it needs https", u.Host)
	}
	return u, nil
}

func openS3(p Place) (Target, error) {
	name, prefix, err := p.bucket()
	if err != nil {
		return nil, err
	}
	u, err := p.S3.endpoint()
	if err != nil {
		return nil, err
	}
	text, err := p.S3.Key.Read(os.Stdin)
	if err != nil {
		return nil, err
	}
	access, secret, ok := strings.Cut(text, ":")
	if !ok || access == "" || secret == "" {
		return nil, fault.Bad("backup.s3.key-file", "%s does not hold ACCESSKEY:SECRETKEY", p.S3.Key.File)
	}
	transport, err := minio.DefaultTransport(u.Scheme == "https")
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "prepare TLS")
	}
	transport.ResponseHeaderTimeout = time.Minute
	if p.S3.CA != "" {
		pem, err := os.ReadFile(p.S3.CA)
		if err != nil {
			return nil, fault.Wrap(err, fault.NotFound, "read the authorities of the backup target")
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fault.Bad("backup.s3.ca", "%s holds no certificate", p.S3.CA)
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	region := p.S3.Region
	if region == "" {
		region = defaultRegion
	}
	core, err := minio.NewCore(u.Host, &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Secure: u.Scheme == "https", Transport: transport, Region: region, MaxRetries: tries})
	if err != nil {
		return nil, fault.Bad("backup.s3.endpoint", "%s", err)
	}
	return &bucket{core: *core, name: name, prefix: prefix}, nil
}

func (b *bucket) String() string { return "s3://" + b.name + "/" + b.prefix }

func (b *bucket) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	_, err := b.core.Client.PutObject(ctx, b.name, b.prefix+name, r, size, minio.PutObjectOptions{ContentType: "application/octet-stream", PartSize: partSize, NumThreads: 1})
	return b.fault("write "+name, err)
}

func (b *bucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, _, _, err := b.core.GetObject(ctx, b.name, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.fault("read "+name, err)
	}
	return r, nil
}

func (b *bucket) List(ctx context.Context, prefix string) (map[string]int64, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the listing when it is broken off
	defer cancel()
	out := map[string]int64{}
	for o := range b.core.Client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, b.fault("list it", o.Err)
		}
		out[strings.TrimPrefix(o.Key, b.prefix)] = o.Size
	}
	return out, b.fault("list it", ctx.Err())
}

func (b *bucket) Remove(ctx context.Context, name string) error {
	err := b.fault("remove "+name, b.core.RemoveObject(ctx, b.name, b.prefix+name, minio.RemoveObjectOptions{}))
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// fault says what failed where, in the codes of a target. What S3 says never holds the secret key.
func (b *bucket) fault(op string, err error) error {
	if err == nil {
		return nil
	}
	op = "backup target " + b.String() + ": " + op
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Unavailable, op)
	}
	f := &fault.Error{Code: fault.Unavailable, Op: op, Err: err}
	said := minio.ToErrorResponse(err)
	switch {
	case said.Code == "NoSuchBucket":
		f.Code, f.Message = fault.NotFound, "there is no bucket "+b.name+"; make it first"
	case said.StatusCode == http.StatusNotFound || said.Code == "NoSuchKey":
		f.Code, f.Message = fault.NotFound, "there is no such object"
	case said.StatusCode == http.StatusForbidden || said.StatusCode == http.StatusUnauthorized:
		f.Code, f.Message = fault.Denied, "it refuses the credentials ("+said.Code+")"
	case said.StatusCode == http.StatusInsufficientStorage || said.Code == "QuotaExceeded" || strings.HasSuffix(said.Code, "StorageFull"):
		f.Code, f.Message = fault.Exhausted, "it is full; free some space or keep fewer backups"
	default:
		f.Message = "it does not answer as it should: " + err.Error()
	}
	return f
}
