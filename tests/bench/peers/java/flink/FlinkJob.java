import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.producer.ProducerRecord;

/** The reference job with a keyed process function: hash state, checkpoints every second, exactly once. */
public final class FlinkJob {
  static final class Payments extends AbstractDeserializationSchema<Payment> {
    @Override
    public Payment deserialize(byte[] bytes) throws IOException {
      return Json.payment(bytes);
    }
  }

  /** Adds a payment to its window, unless that is closed, and raises an alert at the limit. */
  static final class Windows extends KeyedProcessFunction<String, Tuple3<String, Long, Long>, Alert> {
    private transient MapState<Long, Tuple2<Long, Long>> windows;

    @Override
    public void open(OpenContext context) {
      windows =
          getRuntimeContext()
              .getMapState(new MapStateDescriptor<>("windows", Types.LONG, Types.TUPLE(Types.LONG, Types.LONG)));
    }

    @Override
    public void processElement(Tuple3<String, Long, Long> payment, Context context, Collector<Alert> out)
        throws Exception {
      long start = Job.windowStart(payment.f1);
      if (start + Job.WINDOW_MS <= context.timerService().currentWatermark()) {
        return;
      }
      Tuple2<Long, Long> totals = windows.get(start);
      if (totals == null) {
        totals = Tuple2.of(0L, 0L);
        context.timerService().registerEventTimeTimer(start + Job.WINDOW_MS);
      }
      totals.f0++;
      totals.f1 += payment.f2;
      windows.put(start, totals);
      if (totals.f0 == Job.LIMIT) {
        out.collect(new Alert(payment.f0, start, totals.f0, totals.f1));
      }
    }

    @Override
    public void onTimer(long time, OnTimerContext context, Collector<Alert> out) throws Exception {
      windows.remove(time - Job.WINDOW_MS);
    }
  }

  private FlinkJob() {}

  public static void main(String[] words) throws Exception {
    Job job = Job.of(words);
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.createLocalEnvironment(1, configuration(job));
    WatermarkStrategy<Payment> eventTime =
        WatermarkStrategy.<Payment>forBoundedOutOfOrderness(Duration.ofMillis(Job.GRACE_MS))
            .withTimestampAssigner((payment, appended) -> payment.ts);
    environment
        .fromSource(source(job), eventTime, "payments")
        .map(payment -> Tuple3.of(payment.account, payment.ts, payment.amount_cents))
        .returns(Types.TUPLE(Types.STRING, Types.LONG, Types.LONG))
        .keyBy(payment -> payment.f0)
        .process(new Windows())
        .sinkTo(sink(job));
    environment.execute(job.app());
  }

  private static Configuration configuration(Job job) {
    Configuration configuration = new Configuration();
    configuration.setString("pipeline.object-reuse", "true");
    configuration.setString("execution.checkpointing.interval", Job.COMMIT_MS + " ms");
    configuration.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
    configuration.setString("execution.checkpointing.storage", "filesystem");
    configuration.setString("execution.checkpointing.dir", "file://" + job.folder() + "/checkpoints");
    configuration.setString("state.backend.type", "hashmap");
    configuration.setString("restart-strategy.type", "none");
    configuration.setString("taskmanager.memory.managed.size", "16m");
    configuration.setString("taskmanager.memory.network.min", "64m");
    configuration.setString("taskmanager.memory.network.max", "64m");
    configuration.setString("rest.port", "0");
    return configuration;
  }

  private static KafkaSource<Payment> source(Job job) {
    return KafkaSource.<Payment>builder()
        .setBootstrapServers(job.servers())
        .setTopics(job.topic())
        .setGroupId(job.app())
        .setStartingOffsets(OffsetsInitializer.earliest())
        .setValueOnlyDeserializer(new Payments())
        .setProperty("max.poll.records", "5000")
        .setProperty("max.partition.fetch.bytes", String.valueOf(4 << 20))
        .setProperty("fetch.max.bytes", String.valueOf(16 << 20))
        .setProperty("receive.buffer.bytes", String.valueOf(1 << 20))
        .build();
  }

  private static KafkaSink<Alert> sink(Job job) {
    String topic = job.alerts();
    KafkaRecordSerializationSchema<Alert> records =
        (alert, context, timestamp) ->
            new ProducerRecord<>(topic, alert.account.getBytes(StandardCharsets.UTF_8), Json.bytes(alert));
    return KafkaSink.<Alert>builder()
        .setBootstrapServers(job.servers())
        .setRecordSerializer(records)
        .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
        .setTransactionalIdPrefix(job.app())
        .setProperty("transaction.timeout.ms", "600000")
        .setProperty("linger.ms", "5")
        .build();
  }
}
