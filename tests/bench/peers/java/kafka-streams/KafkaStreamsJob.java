import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** The reference job with the processor API: a window store in memory, its changelog, exactly once. */
public final class KafkaStreamsJob {
  private static final String STORE = "account-60s";
  private static final Duration RETENTION = Duration.ofMillis(2 * Job.WINDOW_MS);

  /** Count and sum of a window. */
  static final class Totals {
    long count;
    long sum;

    static byte[] bytes(String topic, Totals totals) {
      return totals == null ? null : ByteBuffer.allocate(16).putLong(totals.count).putLong(totals.sum).array();
    }

    static Totals of(String topic, byte[] bytes) {
      if (bytes == null) {
        return null;
      }
      ByteBuffer buffer = ByteBuffer.wrap(bytes);
      Totals totals = new Totals();
      totals.count = buffer.getLong();
      totals.sum = buffer.getLong();
      return totals;
    }
  }

  /** Adds a payment to its window, unless that is closed, and forwards an alert at the limit. */
  static final class Windows implements Processor<String, Payment, String, Alert> {
    private ProcessorContext<String, Alert> context;
    private WindowStore<String, Totals> store;
    private long streamTime;

    @Override
    public void init(ProcessorContext<String, Alert> context) {
      this.context = context;
      this.store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, Payment> record) {
      Payment payment = record.value();
      streamTime = Math.max(streamTime, payment.ts);
      long start = Job.windowStart(payment.ts);
      if (start + Job.WINDOW_MS + Job.GRACE_MS <= streamTime) {
        return;
      }
      Totals totals = store.fetch(record.key(), start);
      if (totals == null) {
        totals = new Totals();
      }
      totals.count++;
      totals.sum += payment.amount_cents;
      store.put(record.key(), totals, start);
      if (totals.count == Job.LIMIT) {
        context.forward(record.withValue(new Alert(record.key(), start, totals.count, totals.sum)));
      }
    }
  }

  private KafkaStreamsJob() {}

  public static void main(String[] words) {
    Job job = Job.of(words);
    Properties properties = properties(job);
    KafkaStreams streams = new KafkaStreams(topology(job).build(properties), properties);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          Runtime.getRuntime().halt(1);
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
    streams.start();
  }

  private static StreamsBuilder topology(Job job) {
    Serde<Payment> payments = Serdes.serdeFrom((topic, payment) -> null, (topic, bytes) -> payment(bytes));
    Serde<Alert> alerts = Serdes.serdeFrom((topic, alert) -> Json.bytes(alert), (topic, bytes) -> null);
    Serde<Totals> totals = Serdes.serdeFrom(Totals::bytes, Totals::of);
    var supplier = Stores.inMemoryWindowStore(STORE, RETENTION, Duration.ofMillis(Job.WINDOW_MS), false);
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.windowStoreBuilder(supplier, Serdes.String(), totals).withLoggingEnabled(Map.of()).withCachingEnabled());
    builder.stream(
            job.topic(),
            Consumed.with(Serdes.String(), payments).withTimestampExtractor(KafkaStreamsJob::eventTime))
        .process(Windows::new, STORE)
        .to(job.alerts(), Produced.with(Serdes.String(), alerts));
    return builder;
  }

  private static Payment payment(byte[] bytes) {
    try {
      return Json.payment(bytes);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static long eventTime(ConsumerRecord<Object, Object> record, long partitionTime) {
    return ((Payment) record.value()).ts;
  }

  private static Properties properties(Job job) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, job.app());
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.servers());
    properties.put(StreamsConfig.STATE_DIR_CONFIG, job.folder());
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Job.COMMIT_MS);
    properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64 << 20);
    properties.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 5_000);
    properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    properties.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    properties.put(StreamsConfig.consumerPrefix("max.poll.records"), 5_000);
    properties.put(StreamsConfig.consumerPrefix("max.partition.fetch.bytes"), 4 << 20);
    properties.put(StreamsConfig.consumerPrefix("fetch.max.bytes"), 16 << 20);
    properties.put(StreamsConfig.consumerPrefix("receive.buffer.bytes"), 1 << 20);
    properties.put(StreamsConfig.producerPrefix("batch.size"), 256 << 10);
    properties.put(StreamsConfig.producerPrefix("buffer.memory"), 64 << 20);
    properties.put(StreamsConfig.producerPrefix("linger.ms"), 5);
    return properties;
  }
}
