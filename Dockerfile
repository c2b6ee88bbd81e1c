# The gate: docker build -t sealgate .

# What npm installs, without the Node that a checkout brings along (optionalDependencies): the base image has one.
FROM node:26-alpine AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional

# Node strips the types itself: the source is what runs.
FROM node:26-alpine
# Names are looked up by these threads: four would be held up by four look-ups that hang.
ENV NODE_ENV=production UV_THREADPOOL_SIZE=16
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src ./src
# The node user, by number, so that Kubernetes' runAsNonRoot can see that it isn't root. Nothing is written anywhere:
# --read-only works, and no volume is needed but the configuration, the policy and the keys.
USER 1000:1000
EXPOSE 5000
# The admin port answers inside the container only, unless the configuration says otherwise.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:5001/healthz"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/src/main.ts"]
CMD ["serve", "--config", "/etc/sealgate/sealgate.yaml"]
