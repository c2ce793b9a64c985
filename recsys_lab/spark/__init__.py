"""The same training on Spark: ALS, Word2Vec and K-Means for a log that one machine cannot hold."""

from recsys_lab.spark.clusters import SparkClusters, SparkKMeans
from recsys_lab.spark.factors import SparkFactors
from recsys_lab.spark.item2vec import SparkItem2Vec
from recsys_lab.spark.session import SparkError, start
from recsys_lab.spark.train import train

__all__ = ["SparkClusters", "SparkError", "SparkFactors", "SparkItem2Vec", "SparkKMeans", "start", "train"]
