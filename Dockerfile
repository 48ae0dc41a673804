# nginx with the paytrade module, on Debian 12.
#
#     docker build -t paytrade .
#     docker run -p 8080:8080 -v /run/paytrade:/run/paytrade \
#         -v /etc/paytrade:/etc/paytrade:ro paytrade
#
# It runs /etc/nginx/nginx.conf, which is conf/nginx.conf until you mount your
# own: Redis and PostgreSQL by their sockets in /run/paytrade, which the user
# www-data (33) of the workers must reach, and the gateways' keys in
# /etc/paytrade.  conf/schema.sql and conf/redis.conf are in
# /usr/share/paytrade.

ARG DEBIAN=bookworm-slim


# The module, built for the nginx that the last stage has.  A module whose
# unit tests fail leaves this stage without an image.
FROM debian:${DEBIAN} AS build

ENV DEBIAN_FRONTEND=noninteractive

RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        gcc libc6-dev make nginx-dev libhiredis-dev libpq-dev \
        libcjson-dev libexpat1-dev libssl-dev libcmocka-dev \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src

COPY Makefile config config.make ngx_http_paytrade_module.c ./
COPY t/tools/configure t/tools/
COPY src/ src/

RUN make module

COPY t/tools/test t/tools/
COPY t/unit/ t/unit/

RUN make unit


FROM debian:${DEBIAN}

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive \
       apt-get install -y --no-install-recommends \
        ca-certificates libcjson1 libexpat1 libhiredis0.14 libpq5 nginx \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir -p /etc/paytrade /run/paytrade \
    && ln -sf /dev/stdout /var/log/nginx/sale.log \
    && ln -sf /dev/stderr /var/log/nginx/error.log

COPY --from=build /src/build/ngx_http_paytrade_module.so \
                  /usr/lib/nginx/modules/
COPY conf/nginx.conf /etc/nginx/
COPY conf/schema.sql conf/redis.conf /usr/share/paytrade/

EXPOSE 8080
STOPSIGNAL SIGQUIT

HEALTHCHECK --interval=10s --timeout=3s CMD bash -c \
    'exec 3<> /dev/tcp/127.0.0.1/8080 \
     && printf "GET /paytrade/status HTTP/1.0\r\n\r\n" >&3 \
     && head -n 1 <&3 | grep -q " 200 "'

CMD ["nginx", "-g", "daemon off;"]
